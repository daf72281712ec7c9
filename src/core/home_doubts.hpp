#pragma once
// What may be believed of a home after its host has lost power. Pure: no file is touched here.
//
// A file system keeps its own order after a crash, not its contents: names and sizes of the last
// half a minute may be there without their bytes, or not at all, and nothing tells which. So of
// what the storage has nothing is given up, whatever the home says:
//
//   missing, or empty                         the stored one stays
//   of the very change that was stored        the stored one stays, whatever its size here
//   shorter, older, with holes, another kind  the stored one stays, this one is kept beside it
//   anything else that has changed here       takes the name, and the stored one is kept beside it
//
// Beside it: name.conflict-<sandbox>. What was deleted in that last while comes back: that is the
// price.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/home_plan.hpp"
#include "model/home_tree.hpp"

namespace matrx {

struct HomeDoubts {
  // To be renamed in the home, in this order: from → to.
  std::vector<std::pair<std::string, std::string>> beside;
  std::size_t kept = 0;  // nodes of the storage that stay though the home has them no more, or torn
};

// Makes of `scan` a tree that plan_upload may be given, as if `beside` were done already. base: the
// manifest after the last sync. remote: manifest and listing together, with what this sandbox sent
// in a sync that was cut off (note_ours). Where that is newer than the base it counts instead.
HomeDoubts doubt_after_crash(const HomeTree& base, const HomeTree& remote, HomeScan& scan,
                             const std::string& sandbox_id);

// Lets the plan, made of that tree, keep beside what it would replace; answers how many. remote:
// as for the plan. A copy that an earlier try has left is used again.
std::size_t keep_replaced(UploadPlan& plan, const HomeTree& remote, const HomeTree& local,
                          const std::string& sandbox_id);

}  // namespace matrx
