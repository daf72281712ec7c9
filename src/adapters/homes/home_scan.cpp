#include "adapters/homes/home_scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/time.hpp"

namespace matrx {
namespace {

constexpr std::size_t kSeenPerNode = 4;

class Folder {
 public:
  explicit Folder(int descriptor)
      : stream_(descriptor < 0 ? nullptr : ::fdopendir(descriptor), &::closedir) {}
  explicit operator bool() const { return stream_ != nullptr; }
  int descriptor() const { return ::dirfd(stream_.get()); }

  // The next name; nullptr at the end.
  const char* next() {
    const dirent* entry = ::readdir(stream_.get());
    return entry ? static_cast<const char*>(entry->d_name) : nullptr;
  }

 private:
  std::unique_ptr<DIR, int (*)(DIR*)> stream_;
};

bool is_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV;
}

bool is_excluded(const HomeExcludes& excludes, const char* name, bool is_folder) {
  return std::ranges::any_of(excludes, [&](const std::string& pattern) {
    if (!pattern.ends_with('/')) return ::fnmatch(pattern.c_str(), name, 0) == 0;
    return is_folder && ::fnmatch(pattern.substr(0, pattern.size() - 1).c_str(), name, 0) == 0;
  });
}

class Scanner {
 public:
  Scanner(int home, const HomeExcludes& excludes, const HomeLimits& limits)
      : home_(home), excludes_(excludes), limits_(limits) {}

  Result<HomeScan> run() {
    waiting_.emplace_back();
    while (!waiting_.empty() && !scan_.is_cut) {
      const std::string path = std::move(waiting_.back());
      waiting_.pop_back();
      CHECK_OK(read_folder(path));
    }
    return std::move(scan_);
  }

 private:
  Result<void> read_folder(const std::string& path) {
    const int opened =
        open_beneath(home_, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_XDEV);
    if (opened < 0) {
      // What cannot be read must not look as if it were gone: it would be deleted in the storage.
      if (path.empty() || !is_gone(errno)) {
        return fail(Code::unavailable, "The home cannot be read.",
                    path + ": " + std::strerror(errno));
      }
      scan_.tree.erase(path);  // gone, or no folder any more
      scan_.was_moving = true;
      return {};
    }
    Folder folder(opened);
    if (!folder) {
      ::close(opened);
      return fail(Code::unavailable, "The home cannot be read.", std::strerror(errno));
    }
    for (;;) {
      errno = 0;
      const char* name = folder.next();
      if (name == nullptr && errno != 0) {
        return fail(Code::unavailable, "The home cannot be read.",
                    path + ": " + std::strerror(errno));
      }
      if (name == nullptr) break;
      const std::string_view text = name;
      if (text == "." || text == "..") continue;
      if (scan_.is_cut) break;
      // Also what is passed over: names that come and go while they are read must come to an end.
      if (++seen_ > kSeenPerNode * limits_.nodes_max) return too_many();
      CHECK_OK(
          add(folder.descriptor(), path.empty() ? std::string(text) : path + "/" + name, name));
    }
    return {};
  }

  Result<void> add(int folder, std::string path, const char* name) {
    struct stat info{};
    if (::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (!is_gone(errno)) {
        return fail(Code::unavailable, "The home cannot be read.",
                    path + ": " + std::strerror(errno));
      }
      scan_.was_moving = true;
      return {};
    }
    if (path.size() >= kPathBytesMax) {
      ++scan_.left_out;
      return {};
    }
    if (is_excluded(excludes_, name, S_ISDIR(info.st_mode))) {
      ++scan_.excluded;
      return {};
    }
    HomeNode node{.mode = info.st_mode & 07777U, .uid = info.st_uid, .gid = info.st_gid};
    node.modified_ns = info.st_mtim.tv_sec * kNsPerSecond + info.st_mtim.tv_nsec;
    node.changed_ns = info.st_ctim.tv_sec * kNsPerSecond + info.st_ctim.tv_nsec;
    if (S_ISREG(info.st_mode)) {
      node.size_bytes = info.st_size;
      node.hole_bytes = holes_of(info);
    } else if (S_ISDIR(info.st_mode)) {
      node.kind = NodeKind::folder;
    } else if (S_ISLNK(info.st_mode)) {
      std::array<char, kPathBytesMax> target{};
      const ssize_t bytes = ::readlinkat(folder, name, target.data(), target.size() - 1);
      if (bytes <= 0) {
        ++scan_.left_out;
        return {};
      }
      node.kind = NodeKind::link;
      node.target.assign(target.data(), static_cast<std::size_t>(bytes));
    } else {
      ++scan_.left_out;
      return {};
    }
    return keep(std::move(path), std::move(node));
  }

  // Names count in bytes as well as in number: each may have four thousand of them.
  Result<void> keep(std::string path, HomeNode node) {
    const std::size_t names_bytes = names_bytes_ + path.size() + node.target.size();
    const bool is_too_long = names_bytes > limits_.names_bytes_max;
    if (scan_.tree.size() >= limits_.nodes_max) return too_many();
    if (is_too_long && limits_.cuts) {
      scan_.is_cut = true;
      return {};
    }
    if (is_too_long) {
      return fail(Code::too_large, "The names in the home have more than " +
                                       std::to_string(limits_.names_bytes_max) +
                                       " bytes, each with the folders above it.");
    }
    scan_.bytes += node.size_bytes - node.hole_bytes;
    scan_.hole_bytes = add_capped(scan_.hole_bytes, node.hole_bytes);
    if (!limits_.cuts && scan_.bytes > limits_.bytes_max) {
      return fail(Code::too_large,
                  "The home has more than " + std::to_string(limits_.bytes_max) + " bytes.");
    }
    names_bytes_ = names_bytes;
    if (node.kind == NodeKind::folder) waiting_.push_back(path);
    scan_.tree.insert_or_assign(std::move(path), std::move(node));
    return {};
  }

  Result<void> too_many() {
    scan_.is_cut = limits_.cuts;
    if (limits_.cuts) return {};
    return fail(Code::too_large, "The home has more than " + std::to_string(limits_.nodes_max) +
                                     " files and folders.");
  }

  int home_;
  const HomeExcludes& excludes_;
  const HomeLimits& limits_;
  std::vector<std::string> waiting_;  // folders to be read
  std::size_t names_bytes_ = 0;
  std::size_t seen_ = 0;
  HomeScan scan_;
};

}  // namespace

bool is_left_out(const HomeExcludes& excludes, const std::string& path, NodeKind kind) {
  for (std::size_t end = path.find('/'), begin = 0;; end = path.find('/', begin)) {
    const bool is_last = end == std::string::npos;
    const std::string part = path.substr(begin, is_last ? is_last * path.size() : end - begin);
    if (is_excluded(excludes, part.c_str(), !is_last || kind == NodeKind::folder)) return true;
    if (is_last) return false;
    begin = end + 1;
  }
}

Result<HomeScan> scan_home(const std::string& home, const HomeExcludes& excludes,
                           const HomeLimits& limits) {
  // The home itself is ours: its parents belong to root on the host.
  const int descriptor = ::open(home.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(Code::unavailable, "The home cannot be read.", home + ": " + std::strerror(errno));
  }
  auto scan = Scanner(descriptor, excludes, limits).run();
  ::close(descriptor);
  return scan;
}

}  // namespace matrx
