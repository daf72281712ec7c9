#pragma once
// How a home goes up to the store without losing anybody's work. Pure: no file is touched here.
//
// Two sandboxes of one user may change the same home. Each remembers what it was given (base); what
// it has now (local) and what the store has now (remote) are both compared with that:
//
//   changed here only    goes up, or is removed there
//   changed there only   stays as it is there
//   changed on both      ours takes the name, theirs is kept beside it: name.conflict-<sandbox>
//   removed on one side, changed on the other: what was changed survives
//
// What the store has from this very sandbox counts as its base, whatever the base says.

#include <string>
#include <utility>
#include <vector>

#include "model/home_tree.hpp"

namespace matrx {

struct UploadPlan {
  std::vector<std::pair<std::string, std::string>>
      set_aside;                    // in the store: copy from → to, first
  std::vector<std::string> remove;  // in the store, second: a folder there may make room for a file
  std::vector<std::string> put;     // files to be sent, third
  // What the store holds afterwards: the next manifest, written last. The tags of `put` are those
  // of the time before; whoever sends the files fills them in.
  HomeTree result;
  // What this sandbox compares with the next time, if it goes on with the home that it has: what
  // others changed meanwhile did not come down to it. Tags as in `result`.
  HomeTree next_base;

  // What the store has at the paths of `put` before that, where it has something.
  HomeTree before;

  bool changes_objects() const { return !set_aside.empty() || !put.empty() || !remove.empty(); }
};

// base: the manifest after the last sync of this sandbox. local: a scan; its files have no tag.
// remote: the store's manifest and listing together. sandbox_id: ours, the new writer.
UploadPlan plan_upload(const HomeTree& base, const HomeTree& local, const HomeTree& remote,
                       const std::string& sandbox_id);

// Manifest and listing as one: an object that the manifest does not know, or knows with another
// tag, is a file of somebody else; a file of the manifest without an object is gone.
HomeTree merge_listing(const HomeTree& manifest, const HomeTree& listing);

}  // namespace matrx
