#pragma once
// Questions about the trees of a sync, and small changes of them. Pure.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/home_plan.hpp"

namespace matrx {

std::vector<std::string> files_of(const HomeTree& tree);
std::int64_t bytes_of(const HomeNode& node, bool keeps_holes);
std::int64_t bytes_of(const HomeTree& tree, bool keeps_holes);

// Takes out the largest files until the others have at most so many bytes; answers their paths.
// Holes count where the store keeps them as zeros.
std::vector<std::string> take_out_what_does_not_fit(HomeTree& tree, std::int64_t bytes_max,
                                                    bool keeps_holes);

// A store may hold an object called as the folder above another one; a disk cannot. Makes folders
// of such files, and answers their paths: the next sync up finds each of them changed there, and
// keeps it beside the folder.
std::vector<std::string> make_folders_of_files_in_the_way(HomeTree& tree);

// Tags and writers are the store's, not the disk's.
bool is_same_home(const HomeTree& base, const HomeTree& local);

// Those that lie above or below something that is put, and all the others.
std::pair<std::vector<std::string>, std::vector<std::string>> split_removals(
    const UploadPlan& plan);

// Objects that no manifest knows, at paths that an earlier try was sending, are ours. Another
// sandbox's in the same state are still in that sandbox's home.
void note_ours(const HomeTree& journal, HomeTree& remote, const std::string& sandbox_id);

// What was not found in a home in motion may be elsewhere in it: it is missed when it is missing at
// a quiet moment. False: something else is in its place already.
bool keep_missing(const HomeTree& base, HomeTree& local);

}  // namespace matrx
