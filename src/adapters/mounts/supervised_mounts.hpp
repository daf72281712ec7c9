#pragma once
// Large files through FUSE: the user's prefix is mounted on the host, below a folder that is bound
// into the container with slave propagation. So a mount that is made again after its mounter was
// killed appears in the running sandbox, which has no right to mount and no /dev/fuse.
//
//   <folder>/<sandbox>/cold   the mount
//   <folder>/<sandbox>.user   whose it is; outside of what the sandbox sees

#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "async/clock.hpp"
#include "async/turns.hpp"
#include "ports/cold.hpp"
#include "ports/mounter.hpp"

namespace matrx {

class SupervisedMounts : public ColdMounts {
 public:
  // folder: of ours, for the mounts. cache_bytes_max: on this host's disk, for all users together.
  SupervisedMounts(std::unique_ptr<Mounter> mounter, std::string folder,
                   std::int64_t cache_bytes_max, Clock& clock)
      : mounter_(std::move(mounter)),
        folder_(std::move(folder)),
        cache_bytes_max_(cache_bytes_max),
        clock_(clock) {}
  ~SupervisedMounts() override;

  Task<Result<void>> open() override;
  std::optional<ColdBind> bind(const SandboxId& id, const std::string& user_id) const override;
  Task<Result<void>> attach(SandboxId id, std::string user_id) override;
  Task<Result<bool>> detach(SandboxId id, std::string user_id, milliseconds patience) override;
  Task<Result<std::vector<ColdMount>>> list() override;
  Task<std::vector<ColdMount>> find_broken() override;
  Task<Result<void>> mend(SandboxId id) override;
  std::string trouble(const SandboxId& id) const override;
  ColdTotals totals() const override;

 private:
  struct Mounted {
    MountPlace place;
    bool is_gone = false;     // the kernel does not list it any more
    bool is_leaving = false;  // it must not be made again
    std::int64_t number = 0;  // of all that were made
  };

  std::string parent_of(const SandboxId& id) const;
  std::string mount_point(const SandboxId& id) const { return parent_of(id) + "/cold"; }
  std::string owner_file(const SandboxId& id) const { return parent_of(id) + ".user"; }
  bool is_up(const SandboxId& id);
  Result<void> make_place(const MountPlace& place) const;
  Task<Result<void>> mount(SandboxId id, std::string user_id);
  Task<Result<void>> mount_at(MountPlace place);
  Task<Result<bool>> flush_and_unmount(SandboxId id, Patience left);
  Task<Result<void>> leave(MountPlace place);
  void remove_folder(const SandboxId& id) const;
  std::int64_t share_of(const MountPlace& place);
  std::string cache_owner(const MountPlace& place) const {
    return mounter_->shares_cache() ? place.user_id : place.id.text();
  }

  std::unique_ptr<Mounter> mounter_;
  std::string folder_;
  std::int64_t cache_bytes_max_;
  Clock& clock_;
  Turns turns_;  // by user: what is mounted, and the cache
  std::map<SandboxId, Mounted> mounts_;
  std::map<std::string, std::int64_t> shares_;  // of the cache, by its owner
  std::int64_t made_ = 0;
  ColdTotals totals_;
  asio::thread_pool threads_{2};  // for what the kernel and the disk take their time for
};

}  // namespace matrx
