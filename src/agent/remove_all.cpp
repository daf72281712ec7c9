// Removing a folder with all that is in it.

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>

#include "agent/file_operations.hpp"
#include "agent/limits.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {
namespace {

constexpr int kRemovedFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

Listing open_listing(int above, const char* name) {
  const int opened = ::openat(above, name, kRemovedFolderFlags);
  return {opened < 0 ? nullptr : ::fdopendir(opened), ::closedir};
}

// A folder on the way down. Only the last few are kept open; on the way back up the others are
// opened again from below, and must be the same ones.
struct Level {
  std::string name;  // in the folder above
  dev_t device = 0;
  ino_t inode = 0;
  Listing listing{nullptr, ::closedir};
};

class Remover {
 public:
  explicit Remover(std::string path) : path_(std::move(path)) {}

  FileResult<void> run() {
    CHECK_OK(enter(AT_FDCWD, path_));
    while (!levels_.empty()) {
      errno = 0;
      const dirent* entry = ::readdir(levels_.back().listing.get());
      if (entry == nullptr && errno != 0) return failed();
      if (entry == nullptr) {
        CHECK_OK(leave());
        continue;
      }
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name == "." || name == "..") continue;
      const int here = ::dirfd(levels_.back().listing.get());
      if (::unlinkat(here, name.c_str(), 0) == 0 || errno == ENOENT) continue;
      if (errno != EISDIR && errno != EPERM) return failed();
      CHECK_OK(enter(here, name));
    }
    return {};
  }

 private:
  std::unexpected<FileError> failed() const { return file_fail(errno, path_); }

  FileResult<void> enter(int above, const std::string& name) {
    Level level{.name = name};
    level.listing = open_listing(above, name.c_str());
    struct stat info{};
    if (!level.listing || ::fstat(::dirfd(level.listing.get()), &info) != 0) {
      // Of what cannot be unlinked and is no folder, the first reason is the one to tell.
      if (errno == ENOTDIR) errno = EPERM;
      return failed();
    }
    level.device = info.st_dev;
    level.inode = info.st_ino;
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevelsMax) {
      levels_[levels_.size() - 1 - kOpenLevelsMax].listing.reset();
    }
    return {};
  }

  // The last folder is empty now: away with it, and on in the one above.
  FileResult<void> leave() {
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    if (levels_.empty()) {
      if (::unlinkat(AT_FDCWD, path_.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
      return failed();
    }
    Level& above = levels_.back();
    if (!above.listing) {
      above.listing = open_listing(::dirfd(done.listing.get()), "..");
      struct stat info{};
      if (!above.listing || ::fstat(::dirfd(above.listing.get()), &info) != 0) return failed();
      if (info.st_dev != above.device || info.st_ino != above.inode) {
        return file_fail(EBUSY, path_);  // moved away under our hands
      }
    }
    const int here = ::dirfd(above.listing.get());
    if (::unlinkat(here, done.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    return failed();
  }

  std::string path_;
  std::deque<Level> levels_;
};

}  // namespace

FileResult<void> remove_all(const std::string& path) {
  if (path == "/") return file_fail(FileError::Kind::invalid, "The root is not removed.");
  if (::unlinkat(AT_FDCWD, path.c_str(), 0) == 0) return {};
  if (errno == ENOENT || errno == ENOTDIR) return {};
  if (errno != EISDIR && errno != EPERM) return file_fail(errno, path);
  return Remover(path).run();
}

}  // namespace matrx::agent
