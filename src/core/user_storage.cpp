#include "core/user_storage.hpp"

#include "base/limits.hpp"

namespace matrx {

// Objects know no folders and no links: of a home the manifest does.
Task<Result<HomeTree>> UserStorage::tree(StoragePlace place) {
  CO_TRY(listing, co_await storage_.list(place));
  HomeTree manifest;
  if (place.tier == Tier::hot) {
    CO_TRY(known, co_await storage_.read_manifest(place.user_id));
    if (known) manifest = *std::move(known);
  }
  co_return merge_listing(manifest, listing);
}

Task<Result<StoredFolder>> UserStorage::list(StoragePlace place, std::string folder) {
  CO_TRY(nodes, co_await tree(std::move(place)));
  const auto itself = nodes.find(folder);
  const bool exists =
      folder.empty() || (itself != nodes.end() && itself->second.kind == NodeKind::folder);
  if (!exists) co_return fail(Code::not_found, "There is no such folder in the storage.");
  const std::string prefix = folder.empty() ? "" : folder + "/";
  StoredFolder found;
  for (auto at = nodes.lower_bound(prefix); at != nodes.end() && at->first.starts_with(prefix);
       ++at) {
    if (at->first.find('/', prefix.size()) != std::string::npos) continue;
    if (found.entries.size() == kStoredEntriesMax) {
      found.truncated = true;
      break;
    }
    found.entries.push_back({.path = at->first, .node = at->second});
  }
  co_return found;
}

Task<Result<std::int64_t>> UserStorage::size(StoragePlace place, std::string path) {
  CO_TRY(listing, co_await storage_.list(std::move(place)));
  const auto found = listing.find(path);
  if (found == listing.end()) co_return fail(Code::not_found, "There is no such file.");
  co_return found->second.size_bytes;
}

}  // namespace matrx
