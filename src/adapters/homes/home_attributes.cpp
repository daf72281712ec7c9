#include "adapters/homes/home_attributes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ranges>

#include "base/files.hpp"
#include "base/time.hpp"

namespace matrx {
namespace {

constexpr mode_t kWhileFilling = 0700;

timespec to_timespec(std::int64_t ns) {
  std::int64_t seconds = ns / kNsPerSecond;
  std::int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

class Giver {
 public:
  explicit Giver(int home) : home_(home) {}

  // Paths are sorted, so a folder comes before what is in it. Links are made last: until then no
  // path leads through one.
  Result<void> run(HomeTree& tree) {
    for (const auto& [path, node] : tree) {
      if (node.kind != NodeKind::folder) continue;
      if (::mkdirat(home_, path.c_str(), kWhileFilling) != 0 && errno != EEXIST) {
        return file_error("make folder " + path);
      }
    }
    for (const auto& [path, node] : tree) {
      if (node.kind == NodeKind::file) CHECK_OK(give(path, node));
    }
    for (const auto& [path, node] : tree) {
      if (node.kind != NodeKind::link) continue;
      if (::symlinkat(node.target.c_str(), home_, path.c_str()) != 0 && errno != EEXIST) {
        return file_error("make link " + path);
      }
      CHECK_OK(give(path, node));
    }
    // Folders from the inside out: what is put into one changes its time.
    for (const auto& [path, node] : tree | std::views::reverse) {
      if (node.kind == NodeKind::folder) CHECK_OK(give(path, node));
    }
    for (auto& [path, node] : tree) {
      struct stat info{};
      if (::fstatat(home_, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return file_error("look at " + path);
      }
      node.changed_ns = info.st_ctim.tv_sec * kNsPerSecond + info.st_ctim.tv_nsec;
    }
    return {};
  }

 private:
  Result<void> give(const std::string& path, const HomeNode& node) const {
    const char* name = path.c_str();
    const std::array<timespec, 2> times = {timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                                           to_timespec(node.modified_ns)};
    // The owner first: changing it takes setuid and setgid away.
    const bool given =
        ::fchownat(home_, name, node.uid, node.gid, AT_SYMLINK_NOFOLLOW) == 0 &&
        (node.kind == NodeKind::link || ::fchmodat(home_, name, node.mode, 0) == 0) &&
        ::utimensat(home_, name, times.data(), AT_SYMLINK_NOFOLLOW) == 0;
    if (!given) return file_error("give attributes to " + path);
    return {};
  }

  int home_;
};

}  // namespace

Result<void> give_attributes(const std::string& home, HomeTree& tree) {
  const int descriptor = ::open(home.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return file_error("open " + home);
  auto given = Giver(descriptor).run(tree);
  ::close(descriptor);
  return given;
}

}  // namespace matrx
