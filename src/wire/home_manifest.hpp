#pragma once
// The manifest of a home in the store: what objects cannot hold (folders, permissions, owners,
// times, links), one JSON document, written last and so the commit point of a sync.
//
//   {"version": 1, "nodes": [{"path": "a/b", "kind": "file", "mode": 420, "uid": 1000, "gid": 1000,
//     "modified_ns": …, "size": …, "holes": …, "tag": "…", "writer": "sbx-…"}, {"kind": "link",
//     "target": "…"}]}
//
// A path or target that is not UTF-8 is written as base64 of its bytes, as path_base64 or
// target_base64.

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/limits.hpp"
#include "model/home_tree.hpp"

namespace matrx {

struct ManifestLimits {
  std::size_t nodes_max = kManifestNodesMax;
  std::size_t names_bytes_max = kManifestNamesBytesMax;  // of paths and targets together
  std::size_t bytes_max = kManifestBytesMax;             // of the text
};

// too_large, invalid: decode_manifest would refuse it; the message says why.
Result<std::string> encode_manifest(const HomeTree& tree, const ManifestLimits& limits = {});

// Somebody else may have written it: every path is checked, so that none leads out of a home.
// invalid: not a manifest of ours; the message says why. too_large: more than may be in one.
Result<HomeTree> decode_manifest(std::string_view text, const ManifestLimits& limits = {});

// True for what may be a node of a home: relative, no empty part, no "." or "..", no NUL, and as
// short as the kernel takes.
bool is_home_path(std::string_view path);

}  // namespace matrx
