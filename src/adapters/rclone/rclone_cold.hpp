#pragma once
// Large files through FUSE: rclone mounts the user's prefix on the host, below a folder that is
// bound into the container with slave propagation. So a mount that is made again after its mounter
// was killed appears in the running sandbox, which has no right to mount and no /dev/fuse.
//
// rclone keeps what was written and not yet sent in its cache on disk, and goes on with it when the
// same prefix is mounted again.

#include <map>
#include <string>

#include "adapters/rclone/rclone_daemon.hpp"
#include "ports/cold.hpp"

namespace matrx {

struct ColdSettings {
  std::string bucket;
  std::string folder;  // of ours, for the mounts
  std::int64_t cache_bytes_max = 0;
};

class RcloneCold : public ColdMounts {
 public:
  // The daemon outlives it.
  RcloneCold(rclone::Daemon& daemon, ColdSettings settings, Clock& clock)
      : daemon_(daemon), settings_(std::move(settings)), clock_(clock) {}
  ~RcloneCold() override;

  Task<Result<void>> open() override;
  std::optional<ColdBind> bind(const SandboxId& id, const std::string& user_id) const override;
  Task<Result<void>> attach(SandboxId id, std::string user_id) override;
  Task<Result<bool>> detach(SandboxId id, std::string user_id, milliseconds patience) override;
  Task<Result<std::vector<SandboxId>>> list() override;
  Task<void> watch_for_ever() override;

 private:
  struct Mount {
    std::string user_id;
    std::uint64_t life = 0;  // of the daemon that made it
  };

  std::string parent_of(const SandboxId& id) const;
  std::string mount_point(const SandboxId& id) const;
  std::string remote(const std::string& user_id) const;
  Task<Result<void>> mount(const SandboxId& id, const std::string& user_id);
  Task<Result<bool>> is_flushed(const std::string& user_id);
  Task<void> heal();

  rclone::Daemon& daemon_;
  ColdSettings settings_;
  Clock& clock_;
  Turns turns_;  // by sandbox
  std::map<SandboxId, Mount> mounts_;
};

}  // namespace matrx
