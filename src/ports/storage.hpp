#pragma once
// Where users' files live while no sandbox runs: objects in two tiers of each user, and the
// manifest of the hot one. Implemented by adapters/localdisk and adapters/rclone;
// tests/contract/storage_contract holds every promise made here.
//
// Layout, so that other programs can read and write it: users/{user}/hot/…, users/{user}/cold/…,
// and beside them users/{user}/.matrx/manifest.json.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "model/folder_page.hpp"
#include "model/home_tree.hpp"

namespace matrx {

enum class Tier { hot, cold };
std::string_view tier_name(Tier tier);

struct StoragePlace {
  std::string user_id;  // valid: is_valid_user_id
  Tier tier = Tier::hot;
};

struct StorageUsage {
  std::int64_t total_size_bytes = 0;
  std::int64_t total_objects = 0;
  bool operator==(const StorageUsage&) const = default;
};

// Paths are those of a home (wire/home_manifest: is_home_path); `invalid` otherwise.
// Errors of every method: unavailable = the store cannot be reached or does not work;
// exhausted = it is full.
class Storage {
 public:
  virtual ~Storage() = default;

  // Makes sure that it can be used. unavailable: the message names the setting to correct.
  virtual Task<Result<void>> open() = 0;
  virtual Task<Result<void>> ping() = 0;

  // False: no object can have that name here; store() would leave the file out.
  virtual bool can_hold(const StoragePlace&, const std::string&) const { return true; }

  // Whether holes of sparse files cost nothing here. Elsewhere they are sent, and lie there, as
  // zeros.
  virtual bool keeps_holes() const = 0;

  // Every object of the place: kind file, size, time and tag; tags change with the content.
  // too_large: more than the home of a user may have.
  virtual Task<Result<HomeTree>> list(StoragePlace place) = 0;

  // A page of what lies directly in a folder, without a look at what is below it. A folder that
  // holds nothing may be missing, or not. not_found: there is no such folder; the top is always.
  virtual Task<Result<FolderPage>> list_folder(StoragePlace place, FolderQuery query) = 0;

  // One object: its size and tag as list() tells them. not_found.
  virtual Task<Result<HomeNode>> stat(StoragePlace place, std::string path) = 0;

  // Copies files from a folder of this host into the place, each whole or not at all, and answers
  // their new tags. A file that vanished meanwhile, or became a link or anything else, is left out:
  // nothing outside of the folder is read. One that grows is cut where it ended at the beginning.
  // Nobody is waited for: a file that a program holds (a lease), or that has more than
  // file_bytes_max by now, is left out and counted. Nor does a hole cost more than keeps_holes()
  // says.
  using Tags = std::map<std::string, std::string>;
  struct Stored {
    Tags tags;
    std::size_t held = 0;
  };
  virtual Task<Result<Stored>> store(StoragePlace place, std::string from_folder,
                                     std::vector<std::string> paths,
                                     std::int64_t file_bytes_max) = 0;

  // The same of files that nobody changes any more, in a folder that goes afterwards: where the
  // disk has no room for copies, they are sent, or become objects, as they are.
  virtual Task<Result<Stored>> store_at_rest(StoragePlace place, std::string from_folder,
                                             std::vector<std::string> paths,
                                             std::int64_t file_bytes_max) {
    return store(std::move(place), std::move(from_folder), std::move(paths), file_bytes_max);
  }

  // Copies objects into a folder of this host that nobody else uses, and makes the folders above
  // them. not_found: one of them does not exist. Others may come along, but for those of `without`:
  // an object may be called as the folder above another one, and no disk can hold both.
  virtual Task<Result<void>> fetch(StoragePlace place, std::vector<std::string> paths,
                                   std::string into_folder, std::vector<std::string> without) = 0;

  // Copies an object beside itself, and answers the copy's tag. not_found: there is none.
  virtual Task<Result<std::string>> copy(StoragePlace place, std::string from, std::string to) = 0;

  // What does not exist is removed already.
  virtual Task<Result<void>> remove(StoragePlace place, std::vector<std::string> paths) = 0;

  // Frees what a store() of these paths has left that was cut off, where nobody else stores there:
  // parts that no listing shows.
  virtual Task<Result<void>> drop_unfinished(StoragePlace place,
                                             std::vector<std::string> paths) = 0;

  // The same for all users, whoever has begun it, after kStaleUploadAge.
  virtual Task<Result<void>> drop_stale() = 0;

  // At most bytes_max bytes from that offset. not_found.
  virtual Task<Result<std::string>> read(StoragePlace place, std::string path, std::int64_t offset,
                                         std::size_t bytes_max) = 0;

  // The manifest of the user's hot tier; nothing where none was written. Replaced as a whole.
  // invalid: somebody has written one that is none. too_large: it has more than bytes_max.
  virtual Task<Result<std::optional<HomeTree>>> read_manifest(std::string user_id,
                                                              std::size_t bytes_max) = 0;
  // too_large: nobody could read it again; the old one stays.
  virtual Task<Result<void>> write_manifest(std::string user_id, HomeTree tree) = 0;

  // too_large: there is more than can be counted while somebody waits.
  virtual Task<Result<StorageUsage>> usage(StoragePlace place) = 0;

  // Removes every object of the place (and the manifest with the hot one); answers how many.
  virtual Task<Result<std::int64_t>> remove_all(StoragePlace place) = 0;
};

}  // namespace matrx
