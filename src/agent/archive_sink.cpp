#include "agent/archive_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/file_operations.hpp"
#include "agent/limits.hpp"
#include "agent/upload.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

using ErrorKind = FileError::Kind;

constexpr int kArchiveFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
constexpr mode_t kMissingFolderMode = 0777;  // less the umask
constexpr unsigned kPermissions = 0777;      // an archive gives nobody another one's rights

std::unexpected<FileError> refuse(const std::string& path, std::string_view why) {
  return file_fail(ErrorKind::invalid,
                   "'" + to_valid_utf8(path) + "' of the archive " + std::string(why) + ".");
}

timespec to_time(std::int64_t at) { return {.tv_sec = at, .tv_nsec = 0}; }

}  // namespace

FileResult<std::vector<std::string>> archive_parts(const std::string& path) {
  if (path.starts_with('/')) return refuse(path, "is an absolute path");
  if (path.find('\0') != std::string::npos) return refuse(path, "holds a NUL character");
  if (path.size() >= kPathBytesMax) return refuse(path.substr(0, 100), "is too long a path");
  std::vector<std::string> parts;
  for (std::string_view part : split(path, '/')) {
    if (part == "..") return refuse(path, "leads out of its folder");
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

bool stays_inside(const std::string& path, const std::string& target) {
  if (target.empty() || target.starts_with('/')) return false;
  std::ptrdiff_t depth = -1;  // the link's own name is no folder
  for (std::string_view part : split(path, '/')) {
    if (!part.empty() && part != ".") ++depth;
  }
  bool at_front = true;
  for (std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      at_front = false;
    } else if (!at_front || --depth < 0) {
      return false;  // behind a name, which may be a link, ".." can lead anywhere
    }
  }
  return true;
}

FileResult<ArchiveSink> ArchiveSink::open(const std::string& path, bool outside_links) {
  const auto made = agent::make_folder(path);
  if (!made && made.error().kind != ErrorKind::exists) return std::unexpected(made.error());
  Descriptor root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return file_fail(errno, path);
  return ArchiveSink(std::move(root), outside_links);
}

ArchiveSink::~ArchiveSink() {
  if (file_) ::unlinkat(file_folder_.get(), temporary_.c_str(), 0);
}

FileResult<void> ArchiveSink::take(std::string_view bytes) {
  reader_.append(bytes);
  for (;;) {
    const auto event = reader_.next();
    if (!event) return file_fail(ErrorKind::invalid, event.error().message);
    const std::optional<TarEvent>& found = *event;
    if (!found || found->kind == TarEvent::Kind::end) return {};
    if (found->kind == TarEvent::Kind::data) {
      CHECK_OK(write(found->bytes));
    } else {
      CHECK_OK(begin(found->entry));
    }
  }
}

FileResult<void> ArchiveSink::finish() {
  if (!reader_.at_rest()) return file_fail(ErrorKind::invalid, "The tar archive is cut off.");
  // The inner ones first: what is done to them changes the times of the outer ones.
  for (auto late = folders_.rbegin(); late != folders_.rend(); ++late) {
    std::string name;
    const auto folder = folder_of(late->path, name);
    if (!folder) continue;  // somebody has changed it since
    const Descriptor opened(::openat(folder->get(), name.c_str(), kArchiveFolderFlags));
    if (!opened) continue;
    const timespec times[2] = {to_time(late->modified), to_time(late->modified)};
    (void)!::futimens(opened.get(), times);
    (void)!::fchmod(opened.get(), late->mode & kPermissions);
  }
  return {};
}

// The folder in which the last part of the path is, made where it is missing.
FileResult<Descriptor> ArchiveSink::folder_of(const std::string& path, std::string& name) {
  TRY(parts, archive_parts(path));
  if (parts.empty()) return refuse(path, "names nothing");
  name = parts.back();
  parts.pop_back();
  Descriptor folder(::openat(root_.get(), ".", kArchiveFolderFlags));
  for (const std::string& part : parts) {
    if (!folder) break;
    Descriptor next(::openat(folder.get(), part.c_str(), kArchiveFolderFlags));
    if (!next && errno == ENOENT) {
      if (::mkdirat(folder.get(), part.c_str(), kMissingFolderMode) != 0 && errno != EEXIST) {
        return file_fail(errno, path);
      }
      next = Descriptor(::openat(folder.get(), part.c_str(), kArchiveFolderFlags));
    }
    if (!next && (errno == ELOOP || errno == ENOTDIR)) {
      return refuse(path, "goes through what is no folder");
    }
    folder = std::move(next);
  }
  if (!folder) return file_fail(errno, path);
  return folder;
}

FileResult<void> ArchiveSink::begin(const TarEntry& entry) {
  using Kind = TarEntry::Kind;
  if (entry.kind == Kind::other) return {};  // a device, a pipe: nobody misses them
  TRY(parts, archive_parts(entry.path));
  if (parts.empty()) return {};  // "./": the folder itself
  ++entries_;
  std::string name;
  TRY(folder, folder_of(entry.path, name));
  switch (entry.kind) {
    case Kind::folder:
      return make_folder(folder.get(), name, entry);
    case Kind::symlink:
      return make_symlink(folder.get(), name, entry);
    case Kind::hard_link:
      return make_hard_link(folder.get(), name, entry);
    default:
      return begin_file(std::move(folder), name, entry);
  }
}

FileResult<void> ArchiveSink::make_folder(int folder, const std::string& name,
                                          const TarEntry& entry) {
  if (::mkdirat(folder, name.c_str(), 0700) != 0) {
    struct stat info{};
    const bool there = errno == EEXIST &&
                       ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISDIR(info.st_mode);
    if (!there) return file_fail(errno, entry.path);
  }
  if (folders_.size() < kArchiveFoldersMax) {
    folders_.push_back({entry.path, entry.mode, entry.modified});
    return {};
  }
  (void)!::fchmodat(folder, name.c_str(), (entry.mode & kPermissions) | 0700, 0);
  return {};
}

FileResult<void> ArchiveSink::make_symlink(int folder, const std::string& name,
                                           const TarEntry& entry) {
  if (!outside_links_ && !stays_inside(entry.path, entry.link_target)) {
    return refuse(entry.path, "is a link that leads out of its folder");
  }
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) {
    return file_fail(errno, entry.path);
  }
  if (::symlinkat(entry.link_target.c_str(), folder, name.c_str()) != 0) {
    return file_fail(errno, entry.path);
  }
  const timespec times[2] = {to_time(entry.modified), to_time(entry.modified)};
  (void)!::utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  return {};
}

FileResult<void> ArchiveSink::make_hard_link(int folder, const std::string& name,
                                             const TarEntry& entry) {
  std::string target;
  TRY(target_folder, folder_of(entry.link_target, target));
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) {
    return file_fail(errno, entry.path);
  }
  if (::linkat(target_folder.get(), target.c_str(), folder, name.c_str(), 0) == 0) return {};
  return file_fail(errno, entry.path);
}

FileResult<void> ArchiveSink::begin_file(Descriptor folder, const std::string& name,
                                         const TarEntry& entry) {
  struct stat info{};
  const bool there = ::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  if (there && S_ISDIR(info.st_mode)) return file_fail(EISDIR, entry.path);
  temporary_ = temporary_upload_name(there ? Upload::replaces : Upload::is_new);
  file_ = Descriptor(::openat(folder.get(), temporary_.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) return file_fail(errno, entry.path);
  file_folder_ = std::move(folder);
  file_name_ = name;
  file_entry_ = entry;
  file_left_ = entry.size;
  return file_left_ == 0 ? finish_file() : FileResult<void>();
}

FileResult<void> ArchiveSink::write(std::string_view bytes) {
  bytes_ += bytes.size();
  file_left_ -= bytes.size();
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_fail(errno, file_entry_.path);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return file_left_ == 0 ? finish_file() : FileResult<void>();
}

FileResult<void> ArchiveSink::finish_file() {
  const timespec times[2] = {to_time(file_entry_.modified), to_time(file_entry_.modified)};
  (void)!::futimens(file_.get(), times);
  (void)!::fchmod(file_.get(), file_entry_.mode & kPermissions);
  const bool renamed = ::renameat(file_folder_.get(), temporary_.c_str(), file_folder_.get(),
                                  file_name_.c_str()) == 0;
  if (!renamed) return file_fail(errno, file_entry_.path);  // the destructor removes it
  file_.reset();
  return {};
}

}  // namespace matrx::agent
