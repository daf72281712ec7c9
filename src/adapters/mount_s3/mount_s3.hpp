#pragma once
// Mounts made by Mountpoint for Amazon S3, one process each:
// https://github.com/awslabs/mountpoint-s3/blob/main/doc/SEMANTICS.md
//
// It sends a file while it is being written, and has it all in the bucket when the file is closed:
// nothing waits on this host's disk, so that what is being written when it is killed is lost, and
// told to who writes. Files are written from the beginning to the end, and have no other name
// later.

#include <boost/asio/thread_pool.hpp>
#include <map>
#include <string>

#include "async/clock.hpp"
#include "base/child_process.hpp"
#include "ports/mounter.hpp"

namespace matrx {

struct MountS3Settings {
  std::string program = "mount-s3";
  std::string folder;  // for caches, and for what it complains of; ours alone
  std::string bucket;
  std::string region;
  std::string endpoint;  // AWS_ENDPOINT_URL_S3; empty: AWS itself
};

class MountS3 : public Mounter {
 public:
  MountS3(MountS3Settings settings, Clock& clock) : settings_(std::move(settings)), clock_(clock) {}
  ~MountS3() override { threads_.join(); }

  Task<Result<void>> open() override;
  bool shares_cache() const override { return false; }
  bool goes_on() const override { return false; }
  Task<Result<void>> mount(MountPlace place) override;
  bool is_served(const MountPlace& place) override;
  Task<Result<bool>> is_flushed(MountPlace place) override;
  Task<Result<bool>> unmount(MountPlace place) override;
  Task<Result<void>> forget_cache(std::string) override { co_return Result<void>(); }
  Task<void> look_after(std::vector<MountPlace> places) override;
  std::string trouble(const std::string&) const override { return {}; }
  std::int64_t refused_uploads() const override { return 0; }  // the writer is told

 private:
  std::string cache_folder(const SandboxId& id) const;
  std::string complaints_file(const SandboxId& id) const;
  std::string complaints(const SandboxId& id) const;
  Task<Result<void>> make_cache(SandboxId id);
  Task<Result<void>> remove_cache(SandboxId id);

  MountS3Settings settings_;
  Clock& clock_;
  std::map<SandboxId, ChildProcess> processes_;
  asio::thread_pool threads_{1};
};

// What the program is called with, itself left out. No secret: those are in the environment.
std::vector<std::string> mount_s3_arguments(const MountS3Settings& settings,
                                            const MountPlace& place,
                                            const std::string& cache_folder);

}  // namespace matrx
