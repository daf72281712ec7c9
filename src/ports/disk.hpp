#pragma once
// The disks of this host that sandboxes write to, and what is kept back on them. Implemented by
// adapters/disk and by tests/fakes.

#include <cstdint>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "base/ids.hpp"

namespace matrx {

struct DiskRoom {
  std::string name;          // for people: "data folder"
  std::uint64_t device = 0;  // tells file systems apart
  std::int64_t bytes_total = 0, bytes_free = 0;
  std::int64_t inodes_total = 0, inodes_free = 0;  // 0 and 0: as many as there are bytes
};

// What a sandbox takes of one file system.
struct DiskUse {
  std::int64_t bytes = 0;
  std::int64_t inodes = 0;
  bool is_whole = true;  // false: there is more than a bounded look has seen
};

// Errors of every method: unavailable = the disk does not work; exhausted = it is full.
class Disk {
 public:
  virtual ~Disk() = default;

  // Each file system once. engine_folder: where the container engine keeps what sandboxes write
  // outside of their homes; empty: not on this host, or not known.
  virtual Task<Result<std::vector<DiskRoom>>> rooms(std::string engine_folder) = 0;

  // What the sandbox's home and folders take of that file system, and its layer, where the engine
  // has told its folder. Hostile programs may be at work in them.
  virtual Task<Result<DiskUse>> use(SandboxId id, std::string layer_folder,
                                    std::uint64_t device) = 0;

  // The reserve: room in the data folder that only we can give free, so that what has to be written
  // to end a sandbox can be. take: where there is plenty; again and again does no harm. release
  // answers whether there was something to be released.
  virtual Task<Result<void>> take_reserve() = 0;
  virtual Task<Result<bool>> release_reserve() = 0;
};

}  // namespace matrx
