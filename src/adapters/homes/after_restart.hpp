#pragma once
// A home in which nothing runs any more, on a host that was started anew.
//
// Nothing runs in it, but what lies there was made by hostile programs: each file is opened from
// the home's own descriptor with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "model/home_tree.hpp"

namespace matrx {

// The files of the tree that have holes (base/files.hpp: has_holes). Blocking: for a worker thread.
std::set<std::string> find_holes(const std::string& home, const HomeTree& tree);

// from → to, in this order; the folder of `to` is there. unavailable: there is no `from`, or `to`
// is taken. Blocking.
Result<void> rename_in_home(const std::string& home,
                            const std::vector<std::pair<std::string, std::string>>& renames);

}  // namespace matrx
