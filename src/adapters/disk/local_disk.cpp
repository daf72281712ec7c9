#include "adapters/disk/local_disk.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "adapters/disk/disk_use.hpp"
#include "async/offload.hpp"
#include "base/files.hpp"

namespace matrx {
namespace {

// What sandboxes may still take: the blocks that a file system keeps for root are not counted.
Result<DiskRoom> room_of(const std::string& folder, std::string name) {
  struct stat info{};
  struct statvfs disk{};
  if (::stat(folder.c_str(), &info) != 0 || ::statvfs(folder.c_str(), &disk) != 0) {
    return file_error("look at the disk of " + folder);
  }
  const auto block = static_cast<std::int64_t>(disk.f_frsize);
  return DiskRoom{.name = std::move(name),
                  .device = info.st_dev,
                  .bytes_total = static_cast<std::int64_t>(disk.f_blocks) * block,
                  .bytes_free = static_cast<std::int64_t>(disk.f_bavail) * block,
                  .inodes_total = static_cast<std::int64_t>(disk.f_files),
                  .inodes_free = static_cast<std::int64_t>(disk.f_favail)};
}

}  // namespace

Task<Result<std::vector<DiskRoom>>> LocalDisk::rooms(std::string engine_folder) {
  auto work = [data = folders_.data,
               engine = std::move(engine_folder)]() -> Result<std::vector<DiskRoom>> {
    TRY(first, room_of(data, "data folder"));
    std::vector<DiskRoom> rooms = {std::move(first)};
    struct stat info{};
    // An engine on another host, or in another container, has its folder elsewhere.
    if (engine.empty() || ::stat(engine.c_str(), &info) != 0) return rooms;
    if (info.st_dev == rooms.front().device) return rooms;
    TRY(second, room_of(engine, "folder of the container engine"));
    rooms.push_back(std::move(second));
    return rooms;
  };
  co_return co_await offload(thread_, std::move(work));
}

Task<Result<DiskUse>> LocalDisk::use(SandboxId id, std::string layer_folder, std::uint64_t device) {
  auto work = [home = folders_.homes + "/" + id.text(), run = folders_.sandboxes + "/" + id.text(),
               layer = std::move(layer_folder), device]() -> Result<DiskUse> {
    DiskUse use;
    for (const auto& folder : {home, run, layer}) {
      if (!folder.empty()) add_use(folder, device, use);
    }
    return use;
  };
  co_return co_await offload(thread_, std::move(work));
}

Task<Result<void>> LocalDisk::take_reserve() {
  auto work = [this] { return reserve_.take(); };
  co_return co_await offload(thread_, std::move(work));
}

Task<Result<bool>> LocalDisk::release_reserve() {
  auto work = [this] { return reserve_.release(); };
  co_return co_await offload(thread_, std::move(work));
}

}  // namespace matrx
