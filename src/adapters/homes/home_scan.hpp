#pragma once
// What is in a home on this host, while hostile programs may be rearranging it.
//
// Every folder is opened anew from the home's own descriptor with openat2(RESOLVE_BENEATH |
// RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV): a folder that was swapped for a link, or moved out, is
// not entered. Nothing but names and attributes is read; no file is opened.

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "model/home_tree.hpp"

namespace matrx {

struct HomeLimits {
  std::size_t nodes_max = kHomeNodesMax;
  std::int64_t bytes_max = INT64_MAX;                // of all files together, without their holes
  std::size_t names_bytes_max = kHomeNamesBytesMax;  // of all paths and targets together
  bool cuts = false;  // what is over the first or the third of them is passed over, and no error
};

// Which names a sync leaves out: shell patterns (fnmatch) on the last part of a path; one that ends
// in '/' is for folders, with all that is in them.
using HomeExcludes = std::vector<std::string>;

// Whether that name, or a folder above it, is one of these.
bool is_left_out(const HomeExcludes& excludes, const std::string& path, NodeKind kind);

// Blocking: for a worker thread. too_large: over a limit; the message says which. With `cuts` there
// is no limit of bytes, and what is over another one shows in `is_cut`.
// unavailable: the home itself cannot be read.
Result<HomeScan> scan_home(const std::string& home, const HomeExcludes& excludes,
                           const HomeLimits& limits);

}  // namespace matrx
