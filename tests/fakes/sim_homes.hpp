#pragma once
// Homes on simulated disks, and the storage behind them. A file's content is its modified_ns: two
// files are the same where that is.

#include <string>

#include "base/limits.hpp"
#include "fakes/sim_world.hpp"
#include "ports/homes.hpp"
#include "ports/storage.hpp"

namespace matrx {

class SimStorage : public Storage {
 public:
  SimStorage(SimWorld& world, Clock& clock, std::uint64_t life = 0)
      : world_(world), clock_(clock), life_(life) {}

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<HomeTree>> list(StoragePlace place) override;
  Task<Result<FolderPage>> list_folder(StoragePlace place, FolderQuery query) override;
  Task<Result<HomeNode>> stat(StoragePlace place, std::string path) override;
  bool keeps_holes() const override { return world_.storage_keeps_holes; }
  Task<Result<Stored>> store(StoragePlace place, std::string from_folder,
                             std::vector<std::string> paths, std::int64_t file_bytes_max) override;
  Task<Result<void>> fetch(StoragePlace place, std::vector<std::string> paths,
                           std::string into_folder, std::vector<std::string> without) override;
  Task<Result<std::string>> copy(StoragePlace place, std::string from, std::string to) override;
  Task<Result<void>> remove(StoragePlace place, std::vector<std::string> paths) override;
  Task<Result<void>> drop_unfinished(StoragePlace place, std::vector<std::string> paths) override;
  Task<Result<void>> drop_stale() override { co_return Result<void>(); }
  Task<Result<std::string>> read(StoragePlace place, std::string path, std::int64_t offset,
                                 std::size_t bytes_max) override;
  Task<Result<std::optional<HomeTree>>> read_manifest(std::string user_id,
                                                      std::size_t bytes_max) override;
  Task<Result<void>> write_manifest(std::string user_id, HomeTree tree) override;
  Task<Result<StorageUsage>> usage(StoragePlace place) override;
  Task<Result<std::int64_t>> remove_all(StoragePlace place) override;

 private:
  template <class T>
  Task<Result<T>> disturbed(std::function<Result<T>()> act);
  // Before the same process tries it again: beyond that only a conditional write would help.
  milliseconds late() {
    return milliseconds(
        world_.number(0, static_cast<int>(milliseconds(kSyncRetryDelay).count()) - 50));
  }
  HomeTree& objects(const StoragePlace& place) { return world_.objects[place.user_id][place.tier]; }

  SimWorld& world_;
  Clock& clock_;
  std::uint64_t life_;
};

class SimHomes : public Homes {
 public:
  SimHomes(SimWorld& world, std::string installation)
      : world_(world), installation_(std::move(installation)) {}

  Task<Result<void>> open() override;
  std::string folder(const SandboxId& id) const override { return id.text(); }
  Task<Result<void>> make(SandboxId id, std::string user_id) override;
  Task<Result<void>> finish(SandboxId id, HomeTree tree) override;
  bool is_excluded(const std::string&, NodeKind) const override { return false; }
  Task<Result<HomeScan>> scan(SandboxId id, ScanReach reach) override;
  Task<Result<std::int64_t>> noted_bytes(SandboxId) override { co_return std::int64_t{0}; }
  Task<Result<HomeTree>> base(SandboxId id) override;
  Task<Result<void>> write_base(SandboxId id, HomeTree tree) override;
  Task<Result<HomeTree>> journal(SandboxId id) override;
  Task<Result<void>> write_journal(SandboxId id, HomeTree files) override;
  Task<Result<void>> forget(SandboxId id) override;
  Task<Result<void>> rename(SandboxId id, Renames renames) override;
  Task<Result<std::vector<KeptHome>>> list() override;

 private:
  SimWorld& world_;
  std::string installation_;
};

}  // namespace matrx
