#pragma once
// What objects of a store cannot hold, given back to the files: folders, links, permissions,
// owners, times. For a home in which nothing runs yet. Blocking: for a worker thread.

#include <string>

#include "base/error.hpp"
#include "model/home_tree.hpp"

namespace matrx {

// The files of the tree are there already. Fills in each changed_ns. not_found: one of them is not.
Result<void> give_attributes(const std::string& home, HomeTree& tree);

}  // namespace matrx
