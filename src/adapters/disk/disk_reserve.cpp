#include "adapters/disk/disk_reserve.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "adapters/disk/limits.hpp"
#include "base/descriptor.hpp"
#include "base/disk_room.hpp"
#include "base/files.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

std::string bytes_file(const std::string& folder) { return folder + "/bytes"; }
std::string inodes_folder(const std::string& folder) { return folder + "/inodes"; }

std::int64_t share_of(std::int64_t total, std::int64_t most) {
  return std::min(most, total / kReserveShare);
}

}  // namespace

Result<void> DiskReserve::take() const {
  std::error_code ec;
  fs::create_directories(inodes_folder(folder_), ec);
  if (ec) {
    errno = ec.value();
    return file_error("make " + folder_);
  }
  struct statvfs disk{};
  if (::statvfs(folder_.c_str(), &disk) != 0) return file_error("look at " + folder_);
  const auto block = static_cast<std::int64_t>(disk.f_frsize);
  const auto free_bytes = static_cast<std::int64_t>(disk.f_bavail) * block;
  const std::int64_t bytes =
      share_of(static_cast<std::int64_t>(disk.f_blocks) * block, kReserveBytesMax);
  const std::int64_t inodes = share_of(static_cast<std::int64_t>(disk.f_files), kReserveInodesMax);
  if (free_bytes < bytes * kReservePlenty) return {};
  CHECK_OK(take_bytes(bytes));
  if (static_cast<std::int64_t>(disk.f_ffree) < inodes * kReservePlenty) return {};
  return take_inodes(inodes);
}

Result<void> DiskReserve::take_bytes(std::int64_t bytes) const {
  const std::string path = bytes_file(folder_);
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return file_error("open " + path);
  if (info.st_blocks * kStatBlockBytes >= bytes) return {};
  if (::fallocate(file.get(), 0, 0, bytes) == 0) return {};
  // A file system that promises nothing beforehand; or one that has become full meanwhile.
  if (errno == EOPNOTSUPP || errno == ENOSPC || errno == EDQUOT) return {};
  return file_error("take room for " + path);
}

Result<void> DiskReserve::take_inodes(std::int64_t count) const {
  const std::string last = inodes_folder(folder_) + "/" + std::to_string(count - 1);
  if (count == 0 || ::access(last.c_str(), F_OK) == 0) return {};
  for (std::int64_t number = 0; number < count; ++number) {
    const std::string path = inodes_folder(folder_) + "/" + std::to_string(number);
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file && (errno == ENOSPC || errno == EDQUOT)) return {};
    if (!file) return file_error("make " + path);
  }
  return {};
}

Result<bool> DiskReserve::release_where_full() const {
  struct statvfs disk{};
  if (::statvfs(folder_.c_str(), &disk) != 0) return false;  // it was never made
  const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  const bool has_bytes = free >= kStartBytes;
  const bool has_inodes = disk.f_files == 0 || disk.f_favail >= kStartInodes;
  return has_bytes && has_inodes ? Result<bool>(false) : release();
}

Result<bool> DiskReserve::release() const {
  bool was_there = false;
  const std::string path = bytes_file(folder_);
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && info.st_blocks > 0) {
    was_there = true;
    if (::truncate(path.c_str(), 0) != 0) return file_error("give free " + path);
  }
  std::error_code ec;
  for (fs::directory_iterator at(inodes_folder(folder_), ec), end; !ec && at != end;
       at.increment(ec)) {
    if (::unlink(at->path().c_str()) != 0) return file_error("remove " + at->path().string());
    was_there = true;
  }
  return was_there;
}

}  // namespace matrx
