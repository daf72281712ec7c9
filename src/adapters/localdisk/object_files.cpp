#include "adapters/localdisk/object_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/random.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = 256 * 1024;
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

std::unexpected<Error> failed(const std::string& doing) {
  const int why = errno;
  std::string internal = doing + ": " + std::strerror(why);
  if (why == ENOSPC || why == EDQUOT) {
    return fail(Code::exhausted, "The storage is full.", std::move(internal));
  }
  if (why == ENOENT) return fail(Code::not_found, "There is no such file.", std::move(internal));
  return fail(Code::unavailable, "The storage does not work.", std::move(internal));
}

int open_beneath(int folder, const std::string& path, int flags, mode_t mode = 0) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long opened = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    if (opened < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return static_cast<int>(opened);
  }
}

std::string tag_of(const struct stat& info) {
  return std::to_string(info.st_size) + "-" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec) + "-" + std::to_string(info.st_ino);
}

bool write_all(int to, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t written = ::write(to, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

Result<void> copy_bytes(int from, int to) {
  struct stat info{};
  if (::fstat(from, &info) != 0) return failed("stat");
  static thread_local std::array<char, kCopyBytes> buffer;
  for (std::int64_t left = info.st_size; left > 0;) {
    const auto wanted = std::min<std::int64_t>(left, kCopyBytes);
    const ssize_t count = ::read(from, buffer.data(), static_cast<std::size_t>(wanted));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read");
    if (count == 0) return {};  // it has become shorter
    if (!write_all(to, buffer.data(), static_cast<std::size_t>(count))) return failed("write");
    left -= count;
  }
  return {};
}

Result<HomeTree> ObjectFiles::list() const {
  HomeTree tree;
  std::error_code ec;
  fs::recursive_directory_iterator at(folder_, ec), end;
  if (ec == std::errc::no_such_file_or_directory) return tree;
  for (; !ec && at != end; at.increment(ec)) {
    const std::string name = at->path().filename().string();
    struct stat info{};
    if (::lstat(at->path().c_str(), &info) != 0) continue;  // removed meanwhile
    if (!S_ISREG(info.st_mode) || name.starts_with(kPartPrefix)) continue;
    HomeNode node{.size_bytes = info.st_size, .tag = tag_of(info)};
    node.modified_ns = info.st_mtim.tv_sec * kNsPerSecond + info.st_mtim.tv_nsec;
    tree.emplace(at->path().lexically_relative(folder_).string(), std::move(node));
  }
  if (ec)
    return fail(Code::unavailable, "The storage cannot be read.", folder_ + ": " + ec.message());
  return tree;
}

Result<std::string> ObjectFiles::put(const std::string& path, int source) const {
  const fs::path target = fs::path(folder_) / path;
  std::error_code ec;
  fs::create_directories(target.parent_path(), ec);
  if (ec) {
    errno = ec.value();
    return failed("make the folder of " + target.string());
  }
  const std::string part_name = kPartPrefix + SystemRandom().hex(8);
  const std::string part = (fs::path(path).parent_path() / part_name).string();
  const File root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const File file(root ? open_beneath(root.get(), part, O_WRONLY | O_CREAT | O_EXCL, 0600) : -1);
  if (!file) return failed("write " + target.string());
  auto written = copy_bytes(source, file.get());
  if (written && ::fsync(file.get()) != 0) written = failed("sync " + target.string());
  if (written && ::renameat(root.get(), part.c_str(), root.get(), path.c_str()) != 0) {
    written = failed("rename to " + target.string());
  }
  if (!written) {
    ::unlinkat(root.get(), part.c_str(), 0);
    return std::unexpected(written.error());
  }
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return failed("stat " + target.string());
  return tag_of(info);
}

Result<int> ObjectFiles::open_file(const std::string& folder, const std::string& path) {
  const File root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failed("open " + folder);
  // Not blocking: a FIFO that took the place of a file must not hold us.
  const int opened = open_beneath(root.get(), path, O_RDONLY | O_NONBLOCK);
  struct stat info{};
  if (opened >= 0 && ::fstat(opened, &info) == 0 && S_ISREG(info.st_mode)) return opened;
  if (opened >= 0) ::close(opened);
  return fail(Code::not_found, "There is no such file.", folder + "/" + path);
}

Result<void> ObjectFiles::remove(const std::string& path) const {
  fs::path target = fs::path(folder_) / path;
  if (::unlink(target.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR) {
    return failed("remove " + target.string());
  }
  for (target = target.parent_path(); target != folder_; target = target.parent_path()) {
    if (::rmdir(target.c_str()) != 0) break;  // not empty, or never there
  }
  return {};
}

Result<std::int64_t> ObjectFiles::remove_all() const {
  TRY(tree, list());
  std::error_code ec;
  fs::remove_all(folder_, ec);
  if (ec)
    return fail(Code::unavailable, "The storage does not work.", folder_ + ": " + ec.message());
  return static_cast<std::int64_t>(tree.size());
}

}  // namespace matrx
