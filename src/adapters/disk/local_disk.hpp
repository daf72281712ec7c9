#pragma once
// The disks below the data folder and below the container engine's own one.

#include <boost/asio/thread_pool.hpp>
#include <string>

#include "adapters/disk/disk_reserve.hpp"
#include "ports/disk.hpp"

namespace matrx {

struct LocalDiskFolders {
  std::string data;
  std::string homes;      // <homes>/<sandbox id>
  std::string sandboxes;  // <sandboxes>/<sandbox id>
  std::string reserve;
};

class LocalDisk : public Disk {
 public:
  explicit LocalDisk(LocalDiskFolders folders)
      : folders_(std::move(folders)), reserve_(folders_.reserve) {}
  ~LocalDisk() override { thread_.join(); }

  Task<Result<std::vector<DiskRoom>>> rooms(std::string engine_folder) override;
  Task<Result<DiskUse>> use(SandboxId id, std::string layer_folder, std::uint64_t device) override;
  Task<Result<void>> take_reserve() override;
  Task<Result<bool>> release_reserve() override;

 private:
  LocalDiskFolders folders_;
  DiskReserve reserve_;
  asio::thread_pool thread_{1};  // one look at a time
};

}  // namespace matrx
