#pragma once
// Storage in an S3 bucket, through rclone. Tags are MD5 sums, which S3 lists for most objects.

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <string>

#include "adapters/rclone/rclone_daemon.hpp"
#include "adapters/rclone/staging.hpp"
#include "base/limits.hpp"
#include "ports/storage.hpp"

namespace matrx {

class RcloneStorage : public Storage {
 public:
  // The daemon outlives it. staging_root: a folder of ours with room for a part of a home.
  RcloneStorage(rclone::Daemon& daemon, std::string bucket, std::string endpoint,
                std::string staging_root)
      : daemon_(daemon),
        bucket_(std::move(bucket)),
        endpoint_(std::move(endpoint)),
        staging_root_(std::move(staging_root)) {}
  ~RcloneStorage() override { threads_.join(); }

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  bool can_hold(const StoragePlace& place, const std::string& path) const override {
    return key_in(place, path).has_value();
  }
  Task<Result<HomeTree>> list(StoragePlace place) override;
  Task<Result<FolderPage>> list_folder(StoragePlace place, FolderQuery query) override;
  Task<Result<HomeNode>> stat(StoragePlace place, std::string path) override;
  bool keeps_holes() const override { return false; }
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
  Task<Result<void>> drop_stale() override;
  Task<Result<std::string>> read(StoragePlace place, std::string path, std::int64_t offset,
                                 std::size_t bytes_max) override;
  Task<Result<std::optional<HomeTree>>> read_manifest(std::string user_id,
                                                      std::size_t bytes_max) override;
  Task<Result<void>> write_manifest(std::string user_id, HomeTree tree) override;
  Task<Result<StorageUsage>> usage(StoragePlace place) override;
  Task<Result<std::int64_t>> remove_all(StoragePlace place) override;

 private:
  Task<Result<void>> list_top();
  Task<Result<void>> reach_bucket();
  Result<std::string> prefix_of(const StoragePlace& place) const;  // "bucket/users/u/hot"
  Result<std::string> key_in(const StoragePlace& place, const std::string& path) const;
  Task<Result<void>> end_uploads(std::string prefix, std::string age);
  Task<Result<Stored>> store_files(StoragePlace place, std::string from_folder,
                                   std::vector<std::string> paths, std::int64_t file_bytes_max,
                                   rclone::Sources sources);
  Task<Result<void>> send(std::string from_folder, std::string prefix);
  Task<Result<void>> fetch_odd(std::string prefix, std::vector<std::string> paths,
                               std::string into_folder);
  template <class F>
  Task<std::invoke_result_t<F&>> on_worker(F work);

  rclone::Daemon& daemon_;
  std::string bucket_, endpoint_, staging_root_;
  asio::thread_pool threads_{kSyncThreads};
};

// nothing: S3 allows this name. Otherwise why not.
std::optional<std::string> problem_with_bucket(std::string_view name);

}  // namespace matrx
