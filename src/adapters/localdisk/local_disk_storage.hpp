#pragma once
// Storage on a disk of this host: the default where no bucket is named.

#include <boost/asio/thread_pool.hpp>
#include <string>

#include "adapters/localdisk/object_files.hpp"
#include "base/limits.hpp"
#include "ports/storage.hpp"

namespace matrx {

class LocalDiskStorage : public Storage {
 public:
  explicit LocalDiskStorage(std::string root) : root_(std::move(root)) {}
  ~LocalDiskStorage() override {
    threads_.join();
    browsers_.join();
  }

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<HomeTree>> list(StoragePlace place) override;
  Task<Result<FolderPage>> list_folder(StoragePlace place, FolderQuery query) override;
  Task<Result<HomeNode>> stat(StoragePlace place, std::string path) override;
  bool keeps_holes() const override { return true; }
  Task<Result<Stored>> store(StoragePlace place, std::string from_folder,
                             std::vector<std::string> paths, std::int64_t file_bytes_max) override;
  Task<Result<Stored>> store_at_rest(StoragePlace place, std::string from_folder,
                                     std::vector<std::string> paths,
                                     std::int64_t file_bytes_max) override;
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
  // invalid: the user or a path is none.
  Result<ObjectFiles> objects(const StoragePlace& place,
                              const std::vector<std::string>& paths = {}) const;
  Task<Result<Stored>> store_files(StoragePlace place, std::string from_folder,
                                   std::vector<std::string> paths, std::int64_t file_bytes_max,
                                   bool at_rest);
  Result<std::string> manifest_path(const std::string& user_id) const;

  std::string root_;
  asio::thread_pool threads_{kSyncThreads};
  // Whoever looks at stored files waits for them alone: a folder is as large as a sandbox likes.
  asio::thread_pool browsers_{kBrowserThreads};
};

}  // namespace matrx
