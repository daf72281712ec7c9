#pragma once
// What the storage has of a user, whether a sandbox runs or not.

#include <string>
#include <vector>

#include "core/home_sync.hpp"

namespace matrx {

struct StoredEntry {
  std::string path;  // below the tier
  HomeNode node;
};

struct StoredFolder {
  std::vector<StoredEntry> entries;  // by name, at most kStoredEntriesMax
  bool truncated = false;
};

// Users and paths are checked already (is_valid_user_id, is_home_path).
class UserStorage {
 public:
  UserStorage(Storage& storage, HomeSync& homes) : storage_(storage), homes_(homes) {}

  Task<Result<StorageUsage>> usage(StoragePlace place) { return storage_.usage(std::move(place)); }

  // What lies directly in a folder; an empty path is the top. not_found: there is no such folder.
  Task<Result<StoredFolder>> list(StoragePlace place, std::string folder);

  // How large a file is. not_found.
  Task<Result<std::int64_t>> size(StoragePlace place, std::string path);
  // A piece of it.
  Task<Result<std::string>> read(StoragePlace place, std::string path, std::int64_t offset,
                                 std::size_t bytes_max) {
    return storage_.read(std::move(place), std::move(path), offset, bytes_max);
  }

  // See HomeSync::remove_storage.
  Task<Result<std::int64_t>> remove(std::string user_id, std::vector<Tier> tiers, Actor actor) {
    return homes_.remove_storage(std::move(user_id), std::move(tiers), std::move(actor));
  }

 private:
  Task<Result<HomeTree>> tree(StoragePlace place);

  Storage& storage_;
  HomeSync& homes_;
};

}  // namespace matrx
