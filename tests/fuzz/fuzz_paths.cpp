// A path that a client or an archive names → the one that is used.

#include <cstdlib>

#include "agent/archive_sink.hpp"
#include "agent/file_entry.hpp"
#include "base/limits.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  using namespace matrx::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const User user{.name = "user", .uid = 1000, .gid = 1000, .home = "/home/user"};
  if (const auto parts = archive_parts(std::string(text))) {
    for (const auto& part : *parts) {
      if (part.empty() || part == "." || part == ".." || part.find('/') != part.npos) std::abort();
    }
  }
  if (stays_inside("folder/link", std::string(text)) && text.starts_with("../../")) std::abort();
  const auto path = resolve_path(user, text);
  if (!path) return 0;
  if (!path->starts_with('/') || path->size() >= kPathBytesMax) std::abort();
  if (path->find('\0') != path->npos || path->find("//") != path->npos) std::abort();
  if ((*path + "/").find("/../") != path->npos || (*path + "/").find("/./") != path->npos) {
    std::abort();
  }
  if (resolve_path(user, *path) != *path) std::abort();
  return 0;
}
