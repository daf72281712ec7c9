// Looking at single folders and objects of the bucket, whatever else is in it.

#include <fmt/format.h>

#include <utility>

#include "adapters/rclone/object_names.hpp"
#include "adapters/rclone/rclone_storage.hpp"
#include "async/offload.hpp"
#include "base/limits.hpp"
#include "base/time.hpp"
#include "wire/home_manifest.hpp"

namespace matrx {
namespace {

std::string remote(const std::string& prefix) { return "s3:" + prefix; }

json::object options_for(bool files_only) {
  return {{"recurse", false},
          {"noMimeType", true},
          {"showHash", true},
          {"hashTypes", json::array{"md5"}},
          {"filesOnly", files_only}};
}

HomeNode node_of(const json::object& item) {
  HomeNode node;
  if (json::flag_at(item, "IsDir")) {
    node.kind = NodeKind::folder;
    node.mode = 0755;
  } else {
    const json::object* hashes = json::object_at(item, "Hashes");
    node.size_bytes = json::integer_at(item, "Size");
    if (hashes != nullptr) node.tag = json::text_at(*hashes, "md5");
    // Sent in parts, by somebody who left no sum.
    if (node.tag.empty()) {
      node.tag = fmt::format("{}-{}", node.size_bytes, json::text_at(item, "ModTime"));
    }
  }
  if (const auto at = from_rfc3339(json::text_at(item, "ModTime"))) {
    node.modified_ns = to_unix_ms(*at) * kNsPerMs;
  }
  return node;
}

struct Folder {
  bool is_there = false;  // something lies in it
  FolderPage page;
};

Folder read_folder(const json::object& answer, const FolderQuery& query) {
  Folder folder;
  FolderPageMaker page(query);
  const json::array* items = json::array_at(answer, "list");
  if (items == nullptr) return folder;
  for (const json::value& entry : *items) {
    const json::object* item = entry.if_object();
    const auto path =
        item != nullptr ? rclone::path_of(json::text_at(*item, "Path")) : std::nullopt;
    // Keys that are no path of a home ("a//b", "../x") belong to somebody else.
    if (!path || !is_home_path(*path)) continue;
    folder.is_there = true;
    page.add(*path, node_of(*item));
  }
  folder.page = page.take();
  return folder;
}

}  // namespace

// S3 pages by itself, rclone gathers the pages: of a large folder all names are read for each page
// of ours, but nothing of what is below it.
Task<Result<FolderPage>> RcloneStorage::list_folder(StoragePlace place, FolderQuery query) {
  CO_TRY(prefix, prefix_of(place));
  std::string key;
  if (!query.folder.empty()) {
    CO_TRY(folder_key, key_in(place, query.folder));
    key = folder_key;
  }
  json::object parameters = {{"fs", remote(prefix)}, {"remote", key}, {"opt", options_for(false)}};
  auto answer =
      co_await daemon_.call("operations/list", std::move(parameters), kObjectListDeadline);
  const bool is_missing = !answer && answer.error().code == Code::not_found;
  if (!answer && !is_missing) co_return std::unexpected(answer.error());
  Folder found;
  if (is_missing) {
    CO_CHECK(co_await reach_bucket());  // a bucket that has vanished is no empty folder
  } else {
    auto work = [list = *std::move(answer), query] { return read_folder(list, query); };
    found = co_await offload(threads_, std::move(work));
  }
  if (!found.is_there && !query.folder.empty()) {
    co_return fail(Code::not_found, "There is no such folder in the storage.");
  }
  co_return std::move(found.page);
}

Task<Result<HomeNode>> RcloneStorage::stat(StoragePlace place, std::string path) {
  CO_TRY(prefix, prefix_of(place));
  CO_TRY(key, key_in(place, path));
  json::object parameters = {{"fs", remote(prefix)}, {"remote", key}, {"opt", options_for(true)}};
  const auto answer =
      co_await daemon_.call("operations/stat", std::move(parameters), kObjectCallDeadline);
  const bool is_missing = !answer && answer.error().code == Code::not_found;
  if (!answer && !is_missing) co_return std::unexpected(answer.error());
  const json::object* item = answer ? json::object_at(*answer, "item") : nullptr;
  if (item == nullptr || json::flag_at(*item, "IsDir")) {
    co_return fail(Code::not_found, "There is no such file.");
  }
  co_return node_of(*item);
}

}  // namespace matrx
