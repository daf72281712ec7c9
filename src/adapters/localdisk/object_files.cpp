#include "adapters/localdisk/object_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/files.hpp"
#include "base/random.hpp"

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
         std::to_string(info.st_mtim.tv_nsec) + "-" + std::to_string(info.st_ino);
}

}  // namespace

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
    return file_error("make the folder of " + target.string());
  }
  const std::string part_name = kPartPrefix + SystemRandom().hex(8);
  const std::string part = (fs::path(path).parent_path() / part_name).string();
  const File root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const File file(root ? open_beneath(root.get(), part, O_WRONLY | O_CREAT | O_EXCL, 0600) : -1);
  if (!file) return file_error("write " + target.string());
  auto written = copy_bytes(source, file.get());
  if (written && ::fsync(file.get()) != 0) written = file_error("sync " + target.string());
  if (written && ::renameat(root.get(), part.c_str(), root.get(), path.c_str()) != 0) {
    written = file_error("rename to " + target.string());
  }
  if (!written) {
    ::unlinkat(root.get(), part.c_str(), 0);
    return std::unexpected(written.error());
  }
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return file_error("stat " + target.string());
  return tag_of(info);
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
  std::error_code ec;
  fs::remove_all(folder_, ec);
  if (ec)
    return fail(Code::unavailable, "The storage does not work.", folder_ + ": " + ec.message());
  return static_cast<std::int64_t>(tree.size());
}

}  // namespace matrx
