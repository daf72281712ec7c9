#include "adapters/disk/disk_use.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>

#include "adapters/disk/limits.hpp"
#include "base/descriptor.hpp"
#include "base/disk_room.hpp"
#include "base/files.hpp"

namespace matrx {
namespace {

using Entries = std::unique_ptr<DIR, int (*)(DIR*)>;

class Counter {
 public:
  Counter(std::uint64_t device, DiskUse& use) : device_(device), use_(use) {}

  void count_below(int root) {
    waiting_.emplace_back();
    while (!waiting_.empty() && nodes_ < kUseNodesMax) {
      const std::string above = std::move(waiting_.back());
      waiting_.pop_back();
      const int opened = open_beneath(root, above.empty() ? "." : above, O_RDONLY | O_DIRECTORY);
      const Entries entries(opened < 0 ? nullptr : ::fdopendir(opened), &::closedir);
      if (entries) count_entries(entries.get(), above);
    }
    if (!waiting_.empty()) use_.is_whole = false;
  }

 private:
  void count_entries(DIR* entries, const std::string& above) {
    while (const dirent* entry = ::readdir(entries)) {
      const auto* name = static_cast<const char*>(entry->d_name);
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      if (nodes_ == kUseNodesMax) {
        use_.is_whole = false;
        return;
      }
      ++nodes_;
      struct stat info{};
      const bool is_there = ::fstatat(::dirfd(entries), name, &info, AT_SYMLINK_NOFOLLOW) == 0;
      if (!is_there || info.st_dev != device_) continue;
      add(info);
      if (!S_ISDIR(info.st_mode)) continue;
      if (waiting_.size() == kUseFoldersMax) {
        use_.is_whole = false;
        continue;
      }
      waiting_.push_back(above.empty() ? name : above + "/" + name);
    }
  }

  // A file with several names counts once, in parts.
  void add(const struct stat& info) {
    const bool is_shared = !S_ISDIR(info.st_mode) && info.st_nlink > 1;
    const std::int64_t names = is_shared ? static_cast<std::int64_t>(info.st_nlink) : 1;
    use_.bytes += info.st_blocks * kStatBlockBytes / names;
    ++use_.inodes;
  }

  std::uint64_t device_;
  DiskUse& use_;
  std::size_t nodes_ = 0;
  std::vector<std::string> waiting_;
};

}  // namespace

void add_use(const std::string& folder, std::uint64_t device, DiskUse& use) {
  const Descriptor root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!root || ::fstat(root.get(), &info) != 0 || info.st_dev != device) return;
  Counter(device, use).count_below(root.get());
}

}  // namespace matrx
