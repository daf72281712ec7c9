// Moving to another file system: a copy under the new name, and then the old one goes.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "agent/archive_sink.hpp"
#include "agent/archive_source.hpp"
#include "agent/file_operations.hpp"
#include "agent/upload.hpp"

namespace matrx::agent {
namespace {

using Kind = FileError::Kind;

constexpr std::size_t kPieceBytes = 64 * 1024;

FileResult<void> copy_file(const std::string& from, const std::string& to,
                           const struct stat& info) {
  const Descriptor file(::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return file_fail(errno, from);
  TRY(upload, Upload::begin(to));
  std::array<char, kPieceBytes> piece;
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0) return file_fail(errno, from);
    if (got == 0) break;
    CHECK_OK(upload.write({piece.data(), static_cast<std::size_t>(got)}));
  }
  CHECK_OK(upload.finish());
  const timespec times[2] = {info.st_mtim, info.st_mtim};
  (void)!::utimensat(AT_FDCWD, to.c_str(), times, 0);
  (void)!::chmod(to.c_str(), info.st_mode & 07777);
  return {};
}

FileResult<void> copy_link(const std::string& from, const std::string& to) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlink(from.c_str(), target.data(), target.size());
  if (size < 0) return file_fail(errno, from);
  target.resize(static_cast<std::size_t>(size));
  if (::unlink(to.c_str()) != 0 && errno != ENOENT) return file_fail(errno, to);
  if (::symlink(target.c_str(), to.c_str()) != 0) return file_fail(errno, to);
  return {};
}

// Through an archive: it knows how to carry all that is in a folder.
FileResult<void> copy_folder(const std::string& from, const std::string& to,
                             const struct stat& info) {
  if (::rmdir(to.c_str()) != 0 && errno != ENOENT) return file_fail(errno, to);
  const auto copy = [&]() -> FileResult<void> {
    TRY(source, ArchiveSource::open(from, false));
    TRY(sink, ArchiveSink::open(to, true));
    for (;;) {
      TRY(piece, source.next());
      if (piece.empty()) return sink.finish();
      CHECK_OK(sink.take(piece));
    }
  };
  auto copied = copy();
  if (!copied) {
    // Half of it is no use to anybody. Whether it can be removed changes nothing of the answer.
    const auto removed = remove_all(to);
    return copied;
  }
  const timespec times[2] = {info.st_mtim, info.st_mtim};
  (void)!::utimensat(AT_FDCWD, to.c_str(), times, 0);
  (void)!::chmod(to.c_str(), info.st_mode & 07777);
  return {};
}

}  // namespace

FileResult<void> move_across(const std::string& from, const std::string& to) {
  struct stat info{};
  if (::lstat(from.c_str(), &info) != 0) return file_fail(errno, from);
  if (S_ISREG(info.st_mode)) {
    CHECK_OK(copy_file(from, to, info));
  } else if (S_ISLNK(info.st_mode)) {
    CHECK_OK(copy_link(from, to));
  } else if (S_ISDIR(info.st_mode)) {
    CHECK_OK(copy_folder(from, to, info));
  } else {
    return file_fail(Kind::busy, "'" + from + "' is no file that can go to another file system.");
  }
  return remove_all(from);
}

}  // namespace matrx::agent
