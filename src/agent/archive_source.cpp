#include "agent/archive_source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "agent/limits.hpp"
#include "wire/tar.hpp"

namespace matrx::agent {
namespace {

TarEntry entry_of(const struct stat& info, TarEntry::Kind kind, const std::string& path) {
  return {.kind = kind,
          .path = path,
          .link_target = {},
          .size = 0,
          .mode = info.st_mode & 07777,
          .modified = info.st_mtim.tv_sec,
          .uid = info.st_uid,
          .gid = info.st_gid};
}

}  // namespace

FileResult<ArchiveSource> ArchiveSource::open(const std::string& path, bool skip_unreadable) {
  ArchiveSource source(path, skip_unreadable);
  // A link leads in at the root only.
  const Descriptor root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return file_fail(errno, path);
  CHECK_OK(source.enter(root.get(), ".", ""));
  return source;
}

FileResult<std::string> ArchiveSource::next() {
  std::string out;
  while (!ended_ && out.size() < kFilePieceBytes) {
    if (file_) {
      CHECK_OK(add_bytes(out));
    } else if (!levels_.empty()) {
      CHECK_OK(add_next_entry(out));
    } else {
      out += tar_end();
      ended_ = true;
    }
  }
  return out;
}

bool ArchiveSource::may_skip(int error) const {
  // Gone meanwhile, or something else now: as if we had come later.
  if (error == ENOENT || error == ELOOP || error == ENOTDIR || error == ENXIO) return true;
  return skip_unreadable_ && (error == EACCES || error == EPERM);
}

FileResult<void> ArchiveSource::enter(int above, const char* name, std::string path) {
  if (levels_.size() >= kArchiveDepthMax) {
    return file_fail(FileError::Kind::exhausted, "'" + path + "' is too deep for an archive.");
  }
  const int opened =
      ::openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  Listing listing(opened < 0 ? nullptr : ::fdopendir(opened), ::closedir);
  if (!listing)
    return may_skip(errno) && !path.empty() ? FileResult<void>() : file_fail(errno, path);
  levels_.push_back({std::move(path), std::move(listing)});
  return {};
}

FileResult<void> ArchiveSource::add_next_entry(std::string& out) {
  errno = 0;
  const dirent* entry = ::readdir(levels_.back().listing.get());
  if (entry == nullptr) {
    if (errno != 0) return file_fail(errno, levels_.back().path);
    levels_.pop_back();
    return {};
  }
  const std::string name = static_cast<const char*>(entry->d_name);
  if (name == "." || name == "..") return {};
  return add_entry(out, name);
}

FileResult<void> ArchiveSource::add_entry(std::string& out, const std::string& name) {
  using Kind = TarEntry::Kind;
  const int folder = ::dirfd(levels_.back().listing.get());
  const std::string& above = levels_.back().path;
  const std::string path = above.empty() ? name : above + "/" + name;
  struct stat info{};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return may_skip(errno) ? FileResult<void>() : file_fail(errno, path);
  }
  if (S_ISREG(info.st_mode)) return add_file(out, name, path);
  if (S_ISDIR(info.st_mode)) {
    out += tar_header(entry_of(info, Kind::folder, path));
    return enter(folder, name.c_str(), path);
  }
  if (!S_ISLNK(info.st_mode)) return {};
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(folder, name.c_str(), target.data(), target.size());
  if (size < 0) return may_skip(errno) ? FileResult<void>() : file_fail(errno, path);
  target.resize(static_cast<std::size_t>(size));
  TarEntry entry = entry_of(info, Kind::symlink, path);
  entry.link_target = std::move(target);
  out += tar_header(entry);
  return {};
}

FileResult<void> ArchiveSource::add_file(std::string& out, const std::string& name,
                                         const std::string& path) {
  const int folder = ::dirfd(levels_.back().listing.get());
  Descriptor file(
      ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) {
    return may_skip(errno) ? FileResult<void>() : file_fail(errno, path);
  }
  if (!S_ISREG(info.st_mode)) return {};
  TarEntry entry = entry_of(info, TarEntry::Kind::file, path);
  entry.size = static_cast<std::uint64_t>(info.st_size);
  out += tar_header(entry);
  file_ = std::move(file);
  file_path_ = path;
  file_size_ = file_left_ = entry.size;
  return {};
}

// As much as its header has said: one that has become shorter is filled up with zeros, as tar(1)
// does.
FileResult<void> ArchiveSource::add_bytes(std::string& out) {
  const std::size_t before = out.size();
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(file_left_, kFilePieceBytes));
  out.resize(before + wanted);
  ssize_t got = 0;
  if (wanted > 0) got = ::read(file_.get(), out.data() + before, wanted);
  if (got < 0) return file_fail(errno, file_path_);
  // At its early end the zeros of resize() stay.
  const std::size_t count = got == 0 ? wanted : static_cast<std::size_t>(got);
  out.resize(before + count);
  file_left_ -= count;
  if (file_left_ > 0) return {};
  out += tar_padding(file_size_);
  file_.reset();
  return {};
}

}  // namespace matrx::agent
