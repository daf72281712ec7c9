#pragma once
// What the storage has of a user, whether a sandbox runs or not.

#include <optional>
#include <string>
#include <vector>

#include "core/home_sync.hpp"
#include "ports/cold.hpp"

namespace matrx {

// Since the start of this process.
struct UserStorageTotals {
  std::int64_t listed = 0, list_failures = 0;      // folders
  std::int64_t opened = 0, open_failures = 0;      // files
  std::int64_t read_bytes = 0, read_failures = 0;  // of their content
  std::int64_t deletions = 0, deletion_failures = 0, deleted_objects = 0;
};

// Users and paths are checked already (is_valid_user_id, is_home_path).
class UserStorage {
 public:
  UserStorage(Storage& storage, HomeSync& homes, ColdMounts& cold)
      : storage_(storage), homes_(homes), cold_(cold) {}

  Task<Result<StorageUsage>> usage(StoragePlace place) { return storage_.usage(std::move(place)); }

  // A page of what lies directly in a folder, links too. not_found: there is no such folder.
  Task<Result<FolderPage>> list(StoragePlace place, FolderQuery query);

  // How large a file is. not_found.
  Task<Result<std::int64_t>> size(StoragePlace place, std::string path);
  // A piece of it.
  Task<Result<std::string>> read(StoragePlace place, std::string path, std::int64_t offset,
                                 std::size_t bytes_max);

  // See HomeSync::give_up.
  Task<Result<void>> give_up_home(SandboxId id, Actor actor) {
    return homes_.give_up(std::move(id), std::move(actor));
  }

  // See HomeSync::remove_storage. conflict: also where large files of the user are still mounted.
  Task<Result<std::int64_t>> remove(std::string user_id, std::vector<Tier> tiers, Actor actor);

  const UserStorageTotals& totals() const { return totals_; }

 private:
  Task<Result<FolderPage>> look(StoragePlace place, FolderQuery query);
  Task<Result<std::optional<HomeTree>>> read_manifest(std::string user_id);
  Task<Result<std::int64_t>> remove_unmounted(std::string user_id, std::vector<Tier> tiers,
                                              Actor actor);

  Storage& storage_;
  HomeSync& homes_;
  ColdMounts& cold_;
  UserStorageTotals totals_;
  Slots large_{1};  // manifests in memory
};

}  // namespace matrx
