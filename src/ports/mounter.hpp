#pragma once
// How a user's prefix of the bucket becomes a folder of this host. Implemented by adapters/rclone
// and adapters/mount_s3; adapters/mounts looks after what they mount.

#include <cstdint>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "base/ids.hpp"

namespace matrx {

struct MountPlace {
  SandboxId id;
  std::string user_id;
  std::string point;                 // an empty folder of ours
  std::int64_t cache_bytes_max = 0;  // what it may keep on this host's disk
};

// Errors of every method: unavailable = the mounter or the storage does not work; timeout.
class Mounter {
 public:
  virtual ~Mounter() = default;

  // Makes sure that it can be used. unavailable: the message names the setting to correct.
  virtual Task<Result<void>> open() = 0;

  // All mounts of a user share one cache, which is freed by forget_cache() when none is left.
  // Otherwise each has its own, and it goes with the mount.
  virtual bool shares_cache() const = 0;

  // Whether a new mount sends what an earlier one, which was killed, had not sent yet.
  virtual bool goes_on() const = 0;

  // Returns when the user's files can be used at the point.
  virtual Task<Result<void>> mount(MountPlace place) = 0;

  // False: whoever served it has ended.
  virtual bool is_served(const MountPlace& place) = 0;

  // Nobody has a file open there. True: all that was written has reached the storage.
  virtual Task<Result<bool>> is_flushed(MountPlace place) = 0;

  // Ends the mount. False: it is in use, or still sending; to be asked again.
  virtual Task<Result<bool>> unmount(MountPlace place) = 0;

  // No mount of that user is left, and all was sent.
  virtual Task<Result<void>> forget_cache(std::string user_id) = 0;

  // Keeps the mounter running and its books; called several times a second with all mounts.
  virtual Task<void> look_after(std::vector<MountPlace> places) = 0;

  // As ColdMounts::trouble() and totals() tell.
  virtual std::string trouble(const std::string& user_id) const = 0;
  virtual std::int64_t refused_uploads() const = 0;
};

}  // namespace matrx
