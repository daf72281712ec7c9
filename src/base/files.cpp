#include "base/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/descriptor.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = 256 * 1024;

bool write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

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
  for (;;) {
    const long opened = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    // The kernel asks for another try where somebody was moving folders about.
    if (opened < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return static_cast<int>(opened);
  }
}

Result<int> open_regular_file(const std::string& folder, const std::string& path) {
  const Descriptor root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return file_error("open " + folder);
  const int opened = open_beneath(root.get(), path, O_RDONLY | O_NONBLOCK);
  struct stat info{};
  if (opened >= 0 && ::fstat(opened, &info) == 0 && S_ISREG(info.st_mode)) return opened;
  // Gone, or something else by now. Anything else that goes wrong must not look like that.
  const bool is_gone = opened >= 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
                       errno == EXDEV || errno == ENXIO;
  if (!is_gone) return file_error("open " + folder + "/" + path);
  if (opened >= 0) ::close(opened);
  return fail(Code::not_found, "There is no such file.", folder + "/" + path);
}

Result<void> copy_bytes(int from, int to, const std::function<void(std::string_view)>& see) {
  struct stat info{};
  if (::fstat(from, &info) != 0) return file_error("stat");
  static thread_local std::array<char, kCopyBytes> buffer;
  for (std::int64_t left = info.st_size; left > 0;) {
    const auto wanted = std::min<std::int64_t>(left, kCopyBytes);
    const ssize_t count = ::read(from, buffer.data(), static_cast<std::size_t>(wanted));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("read");
    if (count == 0) return {};  // it has become shorter
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(count));
    if (see) see(piece);
    if (!write_all(to, piece)) return file_error("write");
    left -= count;
  }
  return {};
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
    return fail(Code::unavailable, "A file of ours is too large.", path);
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
