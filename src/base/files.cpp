#include "base/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/descriptor.hpp"
#include "base/disk_room.hpp"
#include "base/limits.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = 256 * 1024;
constexpr std::int64_t kPageBytes = 4096;
constexpr std::int64_t kScarceShare = 4;           // of what is free: the rest is for others
constexpr std::int64_t kSmallBytes = 1024 * 1024;  // always worth a try

bool write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// What a program of a sandbox can bring about with a file of its own: that we cannot have it now.
bool is_held(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

// What errno says after a try to open or to read a file of a sandbox.
std::unexpected<Error> hostile_file_error(const std::string& doing) {
  if (!is_held(errno)) return file_error(doing);
  return fail(Code::conflict, "A program of the sandbox holds this file.", doing);
}

// One way through a file with holes, from its beginning to the end that it had then.
class Copy {
 public:
  Copy(int from, int to, const std::function<void(std::string_view)>& see)
      : from_(from), to_(to), see_(see) {}

  Result<void> run() {
    struct stat info{};
    if (::fstat(from_, &info) != 0) return file_error("stat");
    const std::int64_t end = info.st_size;
    const bool is_sparse = holes_of(info) > 0;
    while (at_ < end) {
      const std::int64_t data = is_sparse ? next(SEEK_DATA, end) : at_;
      if (data > at_) CHECK_OK(pass_hole(data));
      if (at_ == end) break;
      // At least a page: a program that digs holes under us must not keep us at one place.
      const std::int64_t page = std::min(at_ + kPageBytes, end);
      const std::int64_t hole = is_sparse ? std::max(next(SEEK_HOLE, end), page) : end;
      CHECK_OK(copy_until(hole));
      if (at_ < hole) break;  // it has become shorter
    }
    // A hole at the end: nothing was written there.
    if (written_ < at_ && ::ftruncate(to_, at_) != 0) return file_error("write");
    return {};
  }

 private:
  // Where the next data, or the next hole, begins; the end where there is none.
  std::int64_t next(int what, std::int64_t end) const {
    const off_t found = ::lseek(from_, at_, what);
    if (found >= 0) return std::clamp<std::int64_t>(found, at_, end);
    // Not a file system that knows holes: all of it is data.
    return errno != ENXIO && what == SEEK_DATA ? at_ : end;
  }

  Result<void> pass_hole(std::int64_t until) {
    static constexpr std::array<char, kCopyBytes> kZeros{};
    while (see_ && at_ < until) {
      const auto piece = std::min<std::int64_t>(until - at_, kCopyBytes);
      see_(std::string_view(kZeros.data(), static_cast<std::size_t>(piece)));
      at_ += piece;
    }
    at_ = until;
    if (::lseek(to_, until, SEEK_SET) < 0) return file_error("write");
    return {};
  }

  Result<void> copy_until(std::int64_t end) {
    static thread_local std::array<char, kCopyBytes> buffer;
    while (at_ < end) {
      const auto wanted = std::min<std::int64_t>(end - at_, kCopyBytes);
      const ssize_t count = ::pread(from_, buffer.data(), static_cast<std::size_t>(wanted), at_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return hostile_file_error("read");
      if (count == 0) return {};
      const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
      if (see_) see_(piece);
      if (!write_all(to_, piece)) return file_error("write");
      at_ += count;
      written_ = at_;
    }
    return {};
  }

  int from_, to_;
  const std::function<void(std::string_view)>& see_;
  std::int64_t at_ = 0, written_ = 0;
};

}  // namespace

std::unexpected<Error> file_error(const std::string& doing) {
  const int why = errno;
  std::string internal = doing + ": " + std::strerror(why);
  if (why == ENOSPC || why == EDQUOT) {
    return fail(Code::exhausted, "The disk is full.", std::move(internal));
  }
  if (why == ENOENT) return fail(Code::not_found, "There is no such file.", std::move(internal));
  return fail(Code::unavailable, "The disk does not work.", std::move(internal));
}

int open_beneath(int folder, const std::string& path, int flags, unsigned mode,
                 std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int tries = 1;;) {
    const long opened = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    if (opened < 0 && errno == EINTR) continue;
    // The kernel asks for another try where somebody was moving folders about; and, for as long as
    // its owner likes, where a lease is held on the file.
    if (opened < 0 && is_held(errno) && tries++ < kOpenTriesMax) continue;
    return static_cast<int>(opened);
  }
}

Result<int> open_regular_file(const std::string& folder, const std::string& path) {
  const Descriptor root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return file_error("open " + folder);
  const int opened = open_beneath(root.get(), path, O_RDONLY | O_NONBLOCK, 0, RESOLVE_NO_XDEV);
  struct stat info{};
  if (opened >= 0 && ::fstat(opened, &info) == 0 && S_ISREG(info.st_mode)) return opened;
  // Gone, or something else by now. Anything else that goes wrong must not look like that.
  const bool is_gone = opened >= 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
                       errno == EXDEV || errno == ENXIO;
  if (!is_gone) return hostile_file_error("open " + folder + "/" + path);
  if (opened >= 0) ::close(opened);
  return fail(Code::not_found, "There is no such file.", folder + "/" + path);
}

Result<void> copy_bytes(int from, int to, const std::function<void(std::string_view)>& see) {
  return Copy(from, to, see).run();
}

std::int64_t holes_of(const struct stat& info) {
  const std::int64_t holes = info.st_size - info.st_blocks * kStatBlockBytes;
  return holes >= kHoleBytesMin ? holes : 0;
}

Result<void> dig_holes(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) return file_error("stat");
  static thread_local std::array<char, kCopyBytes> buffer;
  std::int64_t zeros_at = 0;  // where those that were read last begin
  for (std::int64_t at = 0; at < info.st_size;) {
    const ssize_t count = ::pread(file, buffer.data(), buffer.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("read");
    if (count == 0) break;
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    const bool is_zero = piece.find_first_not_of('\0') == std::string_view::npos;
    at += count;
    if (is_zero && at < info.st_size) continue;
    const std::int64_t zeros_end = is_zero ? at : at - count;
    // A file system that digs no holes keeps the zeros.
    if (zeros_end > zeros_at && ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                            zeros_at, zeros_end - zeros_at) != 0) {
      return {};
    }
    zeros_at = at;
  }
  return {};
}

bool has_holes(int file, std::int64_t size) {
  const off_t hole = ::lseek(file, 0, SEEK_HOLE);  // the end counts as one
  return hole >= 0 && hole < size;
}

bool link_where_scarce(int source, int folder, const std::string& path) {
  struct stat info{};
  struct statvfs disk{};
  if (::fstat(source, &info) != 0 || ::fstatvfs(folder, &disk) != 0) return false;
  const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  const bool is_large = info.st_blocks * kStatBlockBytes > free / kScarceShare;
  if (!is_large && has_room_for_copy(source, folder)) return false;
  const std::string from = "/proc/self/fd/" + std::to_string(source);
  return ::linkat(AT_FDCWD, from.c_str(), folder, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

bool has_room_for_copy(int source, int folder) {
  struct stat info{};
  struct statvfs disk{};
  if (::fstat(source, &info) != 0 || ::fstatvfs(folder, &disk) != 0) return true;
  const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  const auto total = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
  const std::int64_t bytes = info.st_blocks * kStatBlockBytes;
  return bytes <= kSmallBytes || free - bytes >= left_to_others(total);
}

Result<void> replace_file(const std::string& path, const std::string& text) {
  const fs::path folder = fs::path(path).parent_path();
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec) {
    errno = ec.value();
    return file_error("make " + folder.string());
  }
  const std::string part = path + ".part";
  const Descriptor file(
      ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file || !write_all(file.get(), text) || ::fsync(file.get()) != 0 ||
      ::rename(part.c_str(), path.c_str()) != 0) {
    return file_error("write " + path);
  }
  const Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return file_error("sync " + folder.string());
  return {};
}

Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<std::string>();
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return file_error("read " + path);
  if (info.st_size < 0 || static_cast<std::size_t>(info.st_size) > bytes_max) {
    return fail(Code::too_large, "A file of ours is too large.", path);
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("read " + path);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return std::optional<std::string>(std::move(text));
}

}  // namespace matrx
