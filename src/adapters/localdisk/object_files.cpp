#include "adapters/localdisk/object_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/remove_tree.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr const char* kPartPrefix = ".matrx-part-";  // of a file that is still being written

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string tag_of(const struct stat& info) {
  return std::to_string(info.st_size) + "-" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

}  // namespace

// The folder may be one that a hostile sandbox is rearranging right now (large files): each folder
// is opened from the top, through no link.
Result<HomeTree> ObjectFiles::list() const {
  HomeTree tree;
  const File root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root && errno == ENOENT) return tree;
  if (!root) return file_error("open " + folder_);
  std::vector<std::string> waiting = {""};
  while (!waiting.empty()) {
    const std::string above = std::move(waiting.back());
    waiting.pop_back();
    const int opened =
        open_beneath(root.get(), above.empty() ? "." : above, O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opened < 0 ? nullptr : ::fdopendir(opened),
                                                      &::closedir);
    if (!entries) continue;  // removed meanwhile, or no folder any more
    while (const dirent* entry = ::readdir(entries.get())) {
      const std::string name = static_cast<const char*>(entry->d_name);
      struct stat info{};
      if (name == "." || name == ".." || name.starts_with(kPartPrefix) ||
          ::fstatat(::dirfd(entries.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      std::string path = above.empty() ? name : above + "/" + name;
      if (path.size() >= kPathBytesMax) continue;
      if (S_ISDIR(info.st_mode)) waiting.push_back(path);
      if (!S_ISREG(info.st_mode)) continue;
      HomeNode node{.size_bytes = info.st_size, .tag = tag_of(info)};
      node.modified_ns = info.st_mtim.tv_sec * kNsPerSecond + info.st_mtim.tv_nsec;
      tree.emplace(std::move(path), std::move(node));
    }
  }
  return tree;
}

Result<ObjectFiles::Part> ObjectFiles::write_part(const std::string& path, int source) const {
  const fs::path target = fs::path(folder_) / path;
  std::error_code ec;
  fs::create_directories(target.parent_path(), ec);
  if (ec) {
    errno = ec.value();
    return file_error("make the folder of " + target.string());
  }
  const std::string name = kPartPrefix + SystemRandom().hex(8);
  Part part{.path = path, .part = (fs::path(path).parent_path() / name).string(), .tag = {}};
  const File root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const File file(root ? open_beneath(root.get(), part.part, O_WRONLY | O_CREAT | O_EXCL, 0600)
                       : -1);
  if (!file) return file_error("write " + target.string());
  auto written = copy_bytes(source, file.get());
  struct stat info{};
  if (written && ::fstat(file.get(), &info) != 0) written = file_error("stat " + target.string());
  if (!written) {
    ::unlinkat(root.get(), part.part.c_str(), 0);
    return std::unexpected(written.error());
  }
  part.tag = tag_of(info);
  return part;
}

Result<void> ObjectFiles::commit(const std::vector<Part>& parts, bool durable) const {
  if (parts.empty()) return {};
  const File root(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // All bytes first, then all names: whatever a crash cuts short, each name has its old or its new
  // content. Once for all of them, since waiting for the disk is what takes the time.
  if (!root || (durable && ::syncfs(root.get()) != 0)) return file_error("sync " + folder_);
  for (const Part& part : parts) {
    if (::renameat(root.get(), part.part.c_str(), root.get(), part.path.c_str()) != 0) {
      return file_error("rename to " + part.path);
    }
  }
  if (durable && ::syncfs(root.get()) != 0) return file_error("sync " + folder_);
  return {};
}

void ObjectFiles::discard(const std::vector<Part>& parts) const {
  const File root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return;
  for (const Part& part : parts) ::unlinkat(root.get(), part.part.c_str(), 0);
}

Result<void> ObjectFiles::remove(const std::string& path) const {
  fs::path target = fs::path(folder_) / path;
  if (::unlink(target.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR) {
    return file_error("remove " + target.string());
  }
  for (target = target.parent_path(); target != folder_; target = target.parent_path()) {
    if (::rmdir(target.c_str()) != 0) break;  // not empty, or never there
  }
  return {};
}

Result<std::int64_t> ObjectFiles::remove_all() const {
  TRY(tree, list());
  const auto ec = remove_tree(folder_);
  if (ec && ec != std::errc::no_such_file_or_directory) {
    return fail(Code::unavailable, "The storage does not work.", folder_ + ": " + ec.message());
  }
  return static_cast<std::int64_t>(tree.size());
}

}  // namespace matrx
