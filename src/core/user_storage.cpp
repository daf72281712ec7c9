#include "core/user_storage.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace matrx {
namespace {

// Of a manifest: what lies directly in the folder, as far as the page of the listing goes.
HomeTree directly_in(const HomeTree& manifest, const FolderQuery& query, const FolderPage& page) {
  HomeTree found;
  const std::string prefix = query.prefix();
  const std::string last =
      page.truncated && !page.entries.empty() ? page.entries.rbegin()->first : "";
  for (auto at = manifest.lower_bound(prefix); at != manifest.end();) {
    const std::string& path = at->first;
    if (!path.starts_with(prefix) || (!last.empty() && path > last)) break;
    const auto slash = path.find('/', prefix.size());
    if (slash == std::string::npos) {
      found.insert(*at++);
    } else {
      at = manifest.lower_bound(path.substr(0, slash) + static_cast<char>('/' + 1));
    }
  }
  return found;
}

}  // namespace

Task<Result<FolderPage>> UserStorage::list(StoragePlace place, FolderQuery query) {
  auto found = co_await look(std::move(place), std::move(query));
  ++(found ? totals_.listed : totals_.list_failures);
  co_return found;
}

// Objects know no empty folders and no links: of a home the manifest does.
Task<Result<FolderPage>> UserStorage::look(StoragePlace place, FolderQuery query) {
  auto listed = co_await storage_.list_folder(place, query);
  const bool is_missing = !listed && listed.error().code == Code::not_found;
  if (place.tier == Tier::cold || (!listed && !is_missing)) co_return listed;
  CO_TRY(known, co_await read_manifest(place.user_id));
  const HomeTree manifest = known ? *std::move(known) : HomeTree();
  if (is_missing) {
    const auto itself = manifest.find(query.folder);
    const bool is_folder = itself != manifest.end() && itself->second.kind == NodeKind::folder;
    if (!is_folder) co_return listed;
  }
  const FolderPage page = listed ? *std::move(listed) : FolderPage();
  const HomeTree nodes = directly_in(manifest, query, page);
  HomeTree files, folders;
  for (const auto& entry : page.entries) {
    (entry.second.kind == NodeKind::file ? files : folders).insert(entry);
  }
  HomeTree merged = merge_listing(nodes, files);
  for (const auto& [path, node] : folders) {
    // An object below what the manifest calls a link or a file makes a folder of it.
    const auto [at, is_new] = merged.try_emplace(path, node);
    if (at->second.kind != NodeKind::folder) at->second = node;
  }
  FolderPageMaker made(query);
  const std::string prefix = query.prefix();
  for (const auto& [path, node] : merged) {
    // The merge also makes the folders above.
    if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos) {
      made.add(path, node);
    }
  }
  FolderPage result = made.take();
  result.truncated = result.truncated || page.truncated;
  co_return result;
}

// Large ones one after the other: who looks at many of them at once takes no more memory.
Task<Result<std::optional<HomeTree>>> UserStorage::read_manifest(std::string user_id) {
  auto known = co_await storage_.read_manifest(user_id, kOrdinaryManifestBytes);
  if (known || known.error().code != Code::too_large) co_return known;
  const auto slot = co_await large_.take();
  co_return co_await storage_.read_manifest(std::move(user_id), kManifestBytesMax);
}

Task<Result<std::int64_t>> UserStorage::size(StoragePlace place, std::string path) {
  const auto found = co_await storage_.stat(std::move(place), std::move(path));
  ++(found ? totals_.opened : totals_.open_failures);
  if (!found) co_return std::unexpected(found.error());
  co_return found->size_bytes;
}

Task<Result<std::string>> UserStorage::read(StoragePlace place, std::string path,
                                            std::int64_t offset, std::size_t bytes_max) {
  auto piece = co_await storage_.read(std::move(place), std::move(path), offset, bytes_max);
  if (piece) totals_.read_bytes += static_cast<std::int64_t>(piece->size());
  if (!piece) ++totals_.read_failures;
  co_return piece;
}

Task<Result<std::int64_t>> UserStorage::remove(std::string user_id, std::vector<Tier> tiers,
                                               Actor actor) {
  auto removed = co_await remove_unmounted(std::move(user_id), std::move(tiers), std::move(actor));
  ++(removed ? totals_.deletions : totals_.deletion_failures);
  totals_.deleted_objects += removed.value_or(0);
  co_return removed;
}

// What a mount has not sent yet would come back after the deletion.
Task<Result<std::int64_t>> UserStorage::remove_unmounted(std::string user_id,
                                                         std::vector<Tier> tiers, Actor actor) {
  if (std::ranges::find(tiers, Tier::cold) != tiers.end()) {
    CO_TRY(mounts, co_await cold_.list());
    for (const ColdMount& mount : mounts) {
      if (mount.user_id != user_id) continue;
      co_return fail(Code::conflict, "Large files of this user's sandbox " + mount.id.text() +
                                         " are still in use, or on their way to the storage; try "
                                         "again later.");
    }
  }
  co_return co_await homes_.remove_storage(std::move(user_id), std::move(tiers), std::move(actor));
}

}  // namespace matrx
