#pragma once
// Removes a folder that a hostile sandbox has filled.

#include <filesystem>
#include <system_error>

namespace matrx {

// Removes the folder with all that is in it; links are removed, not followed. What is not there is
// removed already. However deep it is, three descriptors are enough: std::filesystem::remove_all
// holds one for each level, and a folder 25,000 levels deep would leave none for anybody else.
// Blocking: for a worker thread.
std::error_code remove_tree(const std::filesystem::path& folder);

}  // namespace matrx
