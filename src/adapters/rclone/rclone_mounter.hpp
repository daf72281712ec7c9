#pragma once
// Mounts made by the resident rclone. What was written and not yet sent lies in rclone's cache on
// disk, and a new mount of the same prefix goes on with it. All mounts of a user are one file
// system inside of rclone, with one cache.

#include <boost/asio/thread_pool.hpp>
#include <map>
#include <set>
#include <string>

#include "adapters/rclone/rclone_daemon.hpp"
#include "base/limits.hpp"
#include "ports/mounter.hpp"

namespace matrx {

class RcloneMounter : public Mounter {
 public:
  // The daemon outlives it.
  // boot: names this start of the host's kernel (base/boot.hpp).
  RcloneMounter(rclone::Daemon& daemon, std::string bucket, std::string boot, Clock& clock)
      : daemon_(daemon), bucket_(std::move(bucket)), boot_(std::move(boot)), clock_(clock) {}
  ~RcloneMounter() override { threads_.join(); }

  Task<Result<void>> open() override { return daemon_.start(); }
  bool shares_cache() const override { return true; }
  bool goes_on() const override { return true; }
  Task<Result<void>> mount(MountPlace place) override;
  bool is_served(const MountPlace& place) override;
  Task<Result<bool>> is_flushed(MountPlace place) override;
  Task<Result<bool>> unmount(MountPlace place) override;
  Task<Result<void>> forget_cache(std::string user_id) override;
  Task<void> look_after(std::vector<MountPlace> places) override;
  std::string trouble(const std::string& user_id) const override;
  std::int64_t refused_uploads() const override { return refused_uploads_; }

 private:
  struct CacheFolders {
    std::string data, notes;
  };
  struct Refused {
    std::string words;
    milliseconds look_at{0};  // of the clock's uptime: is it on its way by now?
  };

  std::string prefix_of(const std::string& user_id) const;
  std::string remote(const std::string& user_id) const { return "s3:" + prefix_of(user_id); }
  Task<Result<json::object>> cache_stats(std::string user_id);
  Task<Result<bool>> is_sent(std::string user_id);
  void read_complaints(const std::vector<MountPlace>& places);
  Task<void> look_at_refused();
  Task<void> go_on(std::string user_id);
  Task<void> settle(MountPlace place, std::string notes);
  Task<void> look_at_unsettled();

  rclone::Daemon& daemon_;
  std::string bucket_;
  std::string boot_;
  Clock& clock_;
  std::map<SandboxId, std::uint64_t> lives_;    // of the daemon that made the mount
  std::map<std::string, std::uint64_t> began_;  // with a user's cache; by user
  std::map<std::string, CacheFolders> caches_;  // by user, as rclone names them
  std::map<std::string, Refused> refused_;      // by user
  std::set<std::string> unsettled_;  // users of whose files an earlier rclone had not sent all
  std::int64_t refused_uploads_ = 0;
  bool is_away_ = false;
  asio::thread_pool threads_{kColdMendsAtOnceMax};
};

// {"level": "error", "object": "a/b", "msg": "vfs cache: failed to upload try #1, will retry in 2s:
// why", …}.
struct FailedUpload {
  std::string path;  // below the mount
  std::string why;   // rclone's and the store's words
};
std::optional<FailedUpload> parse_failed_upload(std::string_view line);

// For people, without what is internal.
std::string words_on_refusal(std::string_view why);

}  // namespace matrx
