// A manifest from the store → a home: nothing in it leads out, and it can be written again.

#include <cstdlib>

#include "wire/home_manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const auto tree = decode_manifest(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!tree) return 0;
  for (const auto& [path, node] : *tree) {
    if (!is_home_path(path)) std::abort();
    if (path.starts_with('/') || path == ".." || path.find("/../") != std::string::npos)
      std::abort();
    if (node.mode > 07777 || node.size_bytes < 0) std::abort();
    if ((node.kind == NodeKind::link) == node.target.empty()) std::abort();
  }
  // What was read can be written, and what is written can be read.
  const auto text = encode_manifest(*tree);
  if (!text) std::abort();
  const auto again = decode_manifest(*text);
  if (!again || again->size() != tree->size()) std::abort();
  return 0;
}
