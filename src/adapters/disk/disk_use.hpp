#pragma once
// What lies below a folder, counted while hostile programs may be rearranging it. Blocking.

#include <string>

#include "ports/disk.hpp"

namespace matrx {

// Adds what lies on that file system; follows no link, leaves the folder by none, and sees at most
// kUseNodesMax of it. What is not there adds nothing.
void add_use(const std::string& folder, std::uint64_t device, DiskUse& use);

}  // namespace matrx
