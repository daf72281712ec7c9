#pragma once
// Homes on this host's disk, while their sandboxes live and until they are in the storage.
// Implemented by adapters/homes and by tests/fakes.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "async/task.hpp"
#include "base/ids.hpp"
#include "model/home_tree.hpp"

namespace matrx {

struct KeptHome {
  SandboxId id;
  std::string user_id;
  std::string installation;  // that made it; empty: one that did not say so yet
};

// How far a scan goes.
//   ordinary  as far as ordinary homes do: what has more is_cut, and costs little until then
//   whole     to the limits; what has more is an error
//   fitting   as far as half of the limits: what has more is_cut; bytes have no limit
enum class ScanReach { ordinary, whole, fitting };

// Errors of every method: unavailable = the disk does not work; exhausted = it is full.
class Homes {
 public:
  virtual ~Homes() = default;

  virtual Task<Result<void>> open() = 0;

  // The folder that becomes the home, as the container engine sees it.
  virtual std::string folder(const SandboxId& id) const = 0;

  // Makes an empty home. What an earlier try has left is removed.
  virtual Task<Result<void>> make(SandboxId id, std::string user_id) = 0;

  // After the files of the tree were put into the folder, and before anything runs in it: makes
  // folders and links, sets permissions, owners and times, and notes the tree as the base.
  virtual Task<Result<void>> finish(SandboxId id, HomeTree tree) = 0;

  // Whether a scan passes over that name: the storage may have it, and keeps it then.
  virtual bool is_excluded(const std::string& path, NodeKind kind) const = 0;

  // What is in it now, while hostile programs may be rearranging it.
  // too_large: over the limits; the message says which one.
  virtual Task<Result<HomeScan>> scan(SandboxId id, ScanReach reach) = 0;

  // How many bytes base and journal take on the disk: about those that they take in memory.
  virtual Task<Result<std::int64_t>> noted_bytes(SandboxId id) = 0;

  // What the home had in common with the storage after the last sync.
  // not_found: it was never finished, so that what is missing in it means nothing. invalid: it
  // cannot be read any more.
  virtual Task<Result<HomeTree>> base(SandboxId id) = 0;
  // Also forgets the journal. too_large: nobody could read it again; the old one stays.
  virtual Task<Result<void>> write_base(SandboxId id, HomeTree tree) = 0;

  // What a sync is about to send; found again after a crash. Empty: none was under way.
  virtual Task<Result<HomeTree>> journal(SandboxId id) = 0;
  // too_large: nobody could read it again; nothing is written.
  virtual Task<Result<void>> write_journal(SandboxId id, HomeTree files) = 0;

  // Frees the disk. What is gone already is success.
  virtual Task<Result<void>> forget(SandboxId id) = 0;

  // Renames within a home in which nothing runs: from → to, in this order. No name is taken away
  // from anything: unavailable.
  using Renames = std::vector<std::pair<std::string, std::string>>;
  virtual Task<Result<void>> rename(SandboxId id, Renames renames) = 0;

  // Every home on this disk.
  virtual Task<Result<std::vector<KeptHome>>> list() = 0;
};

}  // namespace matrx
