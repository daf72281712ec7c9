#include "adapters/rclone/rclone_storage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "adapters/rclone/object_names.hpp"
#include "async/offload.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/time.hpp"
#include "wire/home_manifest.hpp"
#include "wire/json_array.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBucketCharsMin = 3, kBucketCharsMax = 63;
// Also what the store, by its own clock, has begun in the future.
constexpr const char* kAnyAge = "-24h";

// "s3,option=value:bucket/prefix", as rclone writes a place with options of its own.
std::string remote(std::string_view prefix, std::string_view options = {}) {
  return fmt::format("s3{}{}:{}", options.empty() ? "" : ",", options, prefix);
}

std::string tag_of(const json::object& item) {
  const json::object* hashes = json::object_at(item, "Hashes");
  const auto md5 = hashes ? json::text_at(*hashes, "md5") : std::string_view();
  if (!md5.empty()) return std::string(md5);
  // Sent in parts, by somebody who left no sum.
  return fmt::format("{}-{}", json::integer_at(item, "Size"), json::text_at(item, "ModTime"));
}

// Bytes that are no listing are not an empty home.
Result<HomeTree> read_listing(const std::string& text) {
  HomeTree tree;
  const auto add = [&tree](const json::value& entry) -> Result<void> {
    const json::object* item = entry.if_object();
    if (item == nullptr || json::flag_at(*item, "IsDir")) return {};
    auto path = rclone::path_of(json::text_at(*item, "Path"));
    // Keys that are no path of a home ("a//b", "../x") belong to somebody else.
    if (!path || !is_home_path(*path)) return {};
    HomeNode node{.size_bytes = json::integer_at(*item, "Size"), .tag = tag_of(*item)};
    if (const auto at = from_rfc3339(json::text_at(*item, "ModTime"))) {
      node.modified_ns = to_unix_ms(*at) * kNsPerMs;
    }
    tree.emplace(*std::move(path), std::move(node));
    return {};
  };
  CHECK_OK(json::parse_array_in(text, "list", add));
  return tree;
}

json::object listing_options(bool recurse) {
  return {{"recurse", recurse},
          {"noMimeType", true},
          {"showHash", true},
          {"hashTypes", json::array{"md5"}},
          {"filesOnly", recurse}};
}

json::object copy_options() {
  // Nothing there is looked at first: what has to be sent is known.
  return {{"NoCheckDest", true}, {"Transfers", kObjectTransfers}, {"Checkers", kObjectTransfers}};
}

// Without a look whether it is an object itself.
std::string exactly(const std::string& prefix) { return remote(prefix, "no_head_object=true"); }

// The keys of uploads that have begun and not ended.
std::set<std::string> uploads_in(const json::object& answer) {
  std::set<std::string> keys;
  const json::object* by_bucket = json::object_at(answer, "result");
  if (by_bucket == nullptr) return keys;
  for (const auto& [bucket, uploads] : *by_bucket) {
    if (!uploads.is_array()) continue;
    for (const json::value& upload : uploads.get_array()) {
      if (const json::object* found = upload.if_object()) {
        keys.emplace(json::text_at(*found, "Key"));
      }
    }
  }
  return keys;
}

}  // namespace

std::optional<std::string> problem_with_bucket(std::string_view name) {
  if (name.size() < kBucketCharsMin || name.size() > kBucketCharsMax) {
    return "it has 3 to 63 characters";
  }
  const bool chars = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  if (!chars) return "it has lower-case letters, digits, '.' and '-' only";
  const auto is_edge = [](char c) { return c == '.' || c == '-'; };
  if (is_edge(name.front()) || is_edge(name.back()))
    return "it begins and ends with a letter or digit";
  if (name.contains("..")) return "it has no two dots in a row";
  return std::nullopt;
}

template <class F>
Task<std::invoke_result_t<F&>> RcloneStorage::on_worker(F work) {
  co_return co_await offload(threads_, std::move(work));
}

Result<std::string> RcloneStorage::prefix_of(const StoragePlace& place) const {
  if (!is_valid_user_id(place.user_id)) return fail(Code::invalid, "There is no such user.");
  return fmt::format("{}/users/{}/{}", bucket_, place.user_id, tier_name(place.tier));
}

Result<std::string> RcloneStorage::key_in(const StoragePlace& place,
                                          const std::string& path) const {
  TRY(prefix, prefix_of(place));
  const auto key = is_home_path(path) ? rclone::key_of(path, prefix.size() + 1) : std::nullopt;
  if (!key) return fail(Code::invalid, "This path cannot be in the storage.");
  return *key;
}

Task<Result<void>> RcloneStorage::open() {
  if (const auto problem = problem_with_bucket(bucket_)) {
    co_return fail(Code::invalid,
                   "MATRX_S3_BUCKET is '" + bucket_ + "'; a bucket's name: " + *problem);
  }
  const bool is_url = endpoint_.starts_with("http://") || endpoint_.starts_with("https://");
  if (!endpoint_.empty() && !is_url) {
    co_return fail(Code::invalid, "AWS_ENDPOINT_URL_S3 is '" + endpoint_ +
                                      "'; it takes a URL, http:// or https://");
  }
  if (!daemon_.is_installed()) co_return fail(Code::invalid, rclone::kNotInstalled);
  std::error_code ec;
  fs::remove_all(staging_root_, ec);  // what a crash has left
  co_return co_await reach_bucket();
}

Task<Result<void>> RcloneStorage::ping() { return reach_bucket(); }

Task<Result<void>> RcloneStorage::list_top() {
  CO_CHECK(co_await daemon_.call(
      "operations/list",
      {{"fs", remote(bucket_)}, {"remote", ""}, {"opt", json::object{{"dirsOnly", true}}}},
      kObjectReachDeadline));
  co_return Result<void>();
}

// A start waits for what may pass by itself (unavailable), and ends where somebody has to correct
// something (invalid): each answer says what to do.
Task<Result<void>> RcloneStorage::reach_bucket() {
  CO_CHECK(co_await daemon_.start());
  const auto top = co_await list_top();
  if (top) co_return Result<void>();
  const std::string& why = top.error().internal;
  if (top.error().code == Code::not_found) {
    co_return fail(Code::invalid, "MATRX_S3_BUCKET: the bucket '" + bucket_ +
                                      "' does not exist; create it, or correct the name");
  }
  const std::string where =
      endpoint_.empty() ? "Amazon S3 (MATRX_S3_REGION)" : "AWS_ENDPOINT_URL_S3 (" + endpoint_ + ")";
  if (why.contains("InvalidAccessKeyId") || why.contains("SignatureDoesNotMatch") ||
      why.contains("NoCredentialProviders")) {
    co_return fail(Code::invalid,
                   "the bucket '" + bucket_ +
                       "' does not accept our credentials; correct AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY, the profile, or the instance's role");
  }
  if (why.contains("AccessDenied") || why.contains("403")) {
    co_return fail(Code::invalid, "MATRX_S3_BUCKET: access to the bucket '" + bucket_ +
                                      "' is denied; allow s3:ListBucket on it and "
                                      "s3:GetObject, s3:PutObject, s3:DeleteObject in it");
  }
  co_return fail(Code::unavailable, "the object store cannot be reached at " + where, why);
}

Task<Result<HomeTree>> RcloneStorage::list(StoragePlace place) {
  CO_TRY(prefix, prefix_of(place));
  auto answer = co_await daemon_.ask(
      "operations/list", {{"fs", remote(prefix)}, {"remote", ""}, {"opt", listing_options(true)}},
      kObjectListDeadline);
  if (!answer && answer.error().code == Code::not_found) {
    const auto top = co_await list_top();  // a bucket that has vanished is no empty home
    if (top) co_return HomeTree();
    co_return fail(Code::unavailable, top.error().message, top.error().internal);
  }
  if (!answer) co_return std::unexpected(answer.error());
  auto work = [text = *std::move(answer)] { return read_listing(text); };
  co_return co_await on_worker(std::move(work));
}

Task<Result<Storage::Stored>> RcloneStorage::store(StoragePlace place, std::string from_folder,
                                                   std::vector<std::string> paths,
                                                   std::int64_t file_bytes_max) {
  return store_files(std::move(place), std::move(from_folder), std::move(paths), file_bytes_max,
                     rclone::Sources::may_change);
}

Task<Result<Storage::Stored>> RcloneStorage::store_at_rest(StoragePlace place,
                                                           std::string from_folder,
                                                           std::vector<std::string> paths,
                                                           std::int64_t file_bytes_max) {
  return store_files(std::move(place), std::move(from_folder), std::move(paths), file_bytes_max,
                     rclone::Sources::at_rest);
}

Task<Result<Storage::Stored>> RcloneStorage::store_files(StoragePlace place,
                                                         std::string from_folder,
                                                         std::vector<std::string> paths,
                                                         std::int64_t file_bytes_max,
                                                         rclone::Sources sources) {
  CO_TRY(prefix, prefix_of(place));
  for (const auto& path : paths) {
    if (!is_home_path(path)) co_return fail(Code::invalid, "This path cannot be in a home.");
  }
  CO_TRY(staging, rclone::Staging::make(staging_root_, threads_, sources));
  const rclone::Wanted wanted{.folder = std::move(from_folder),
                              .paths = std::move(paths),
                              .prefix_bytes = prefix.size() + 1,
                              .file_bytes_max = file_bytes_max};
  Stored stored;
  for (std::size_t done = 0; done < wanted.paths.size();) {
    auto work = [&]() {
      staging.clear();
      return staging.take(wanted, done);
    };
    CO_TRY(taken, co_await on_worker(work));
    done += taken.paths;
    stored.held += taken.held;
    if (taken.files.empty()) continue;
    CO_CHECK(co_await send(staging.folder(), prefix));
    for (const auto& file : taken.files) stored.tags.emplace(file.path, file.md5);
  }
  co_return stored;
}

Task<Result<void>> RcloneStorage::send(std::string from_folder, std::string prefix) {
  // The store checks each sum itself (Content-MD5): no look at the object afterwards.
  CO_CHECK(co_await daemon_.transfer("sync/copy", {{"srcFs", from_folder},
                                                   {"dstFs", remote(prefix, "no_head=true")},
                                                   {"_config", copy_options()}}));
  co_return Result<void>();
}

Task<Result<void>> RcloneStorage::fetch(StoragePlace place, std::vector<std::string> paths,
                                        std::string into_folder, std::vector<std::string> without) {
  CO_TRY(prefix, prefix_of(place));
  std::vector<std::string> odd;
  for (const auto& path : paths) {
    CO_TRY(key, key_in(place, path));
    if (rclone::is_odd(key)) odd.push_back(path);
  }
  if (odd.size() < paths.size()) {
    json::array excluded = {std::string(rclone::kOddMark) + "*",
                            std::string(rclone::kOddMark) + "*/**"};
    for (const auto& path : without) {
      const auto key = key_in(place, path);
      if (key) excluded.emplace_back("/" + rclone::as_pattern(*key));
    }
    CO_CHECK(co_await daemon_.transfer(
        "sync/copy", {{"srcFs", remote(prefix, "no_head_object=true")},
                      {"dstFs", into_folder},
                      {"_config", copy_options()},
                      {"_filter", json::object{{"ExcludeRule", std::move(excluded)}}}}));
  }
  if (!odd.empty()) CO_CHECK(co_await fetch_odd(prefix, std::move(odd), into_folder));
  co_return Result<void>();
}

// One by one, under a plain name first.
Task<Result<void>> RcloneStorage::fetch_odd(std::string prefix, std::vector<std::string> paths,
                                            std::string into_folder) {
  CO_TRY(staging, rclone::Staging::make(staging_root_, threads_));
  for (const auto& path : paths) {
    const auto key = rclone::key_of(path, prefix.size() + 1);
    CO_CHECK(co_await daemon_.transfer("operations/copyfile", {{"srcFs", remote(prefix)},
                                                               {"srcRemote", key.value_or("")},
                                                               {"dstFs", staging.folder()},
                                                               {"dstRemote", "file"},
                                                               {"_config", copy_options()}}));
    auto put = [&staging, target = fs::path(into_folder) / path] {
      std::error_code ec;
      fs::create_directories(target.parent_path(), ec);
      fs::rename(fs::path(staging.folder()) / "file", target, ec);
      if (ec == std::errc::cross_device_link) {
        ec.clear();
        fs::copy_file(fs::path(staging.folder()) / "file", target, ec);
        staging.clear();
      }
      return ec;
    };
    const std::error_code ec = co_await on_worker(std::move(put));
    if (ec) co_return fail(Code::unavailable, "A file cannot be put into the home.", ec.message());
  }
  co_return Result<void>();
}

Task<Result<std::string>> RcloneStorage::copy(StoragePlace place, std::string from,
                                              std::string to) {
  CO_TRY(prefix, prefix_of(place));
  CO_TRY(source, key_in(place, from));
  CO_TRY(target, key_in(place, to));
  const std::string place_name = remote(prefix);
  // Within the store: rclone sees nothing move meanwhile.
  CO_CHECK(co_await daemon_.call(
      "operations/copyfile",
      {{"srcFs", place_name}, {"srcRemote", source}, {"dstFs", place_name}, {"dstRemote", target}},
      kObjectCopyDeadline));
  CO_TRY(answer, co_await daemon_.call(
                     "operations/stat",
                     {{"fs", place_name}, {"remote", target}, {"opt", listing_options(false)}},
                     kObjectCallDeadline));
  const json::object* item = json::object_at(answer, "item");
  if (item == nullptr) co_return fail(Code::not_found, "There is no such file.", from);
  co_return tag_of(*item);
}

Task<Result<void>> RcloneStorage::remove(StoragePlace place, std::vector<std::string> paths) {
  CO_TRY(prefix, prefix_of(place));
  CO_TRY(staging, rclone::Staging::make(staging_root_, threads_));
  const std::string list = (fs::path(staging.folder()) / "names").string();
  auto write = [&]() -> Result<void> {
    std::string names;
    for (const auto& path : paths) {
      TRY(key, key_in(place, path));
      names += key + "\n";
    }
    return replace_file(list, names);
  };
  CO_CHECK(co_await on_worker(write));
  const auto done = co_await daemon_.call(
      "operations/delete",
      {{"fs", remote(prefix)},
       {"_filter", json::object{{"FilesFromRaw", json::array{list}}}},
       {"_config", json::object{{"Checkers", kObjectTransfers}, {"NoTraverse", true}}}},
      kObjectListDeadline);
  if (!done && done.error().code != Code::not_found) co_return std::unexpected(done.error());
  co_return Result<void>();
}

// Large files go in parts; those of an upload that was killed stay, seen by nobody, and cost.
Task<Result<void>> RcloneStorage::drop_unfinished(StoragePlace place,
                                                  std::vector<std::string> paths) {
  CO_TRY(prefix, prefix_of(place));
  std::set<std::string> ours;
  for (const auto& path : paths) {
    if (const auto key = key_in(place, path)) {
      ours.insert(fmt::format("users/{}/{}/{}", place.user_id, tier_name(place.tier), *key));
    }
  }
  const json::object parameters = {{"command", "list-multipart-uploads"}, {"fs", exactly(prefix)}};
  CO_TRY(answer, co_await daemon_.call("backend/command", parameters, kObjectListDeadline));
  const std::set<std::string> pending = uploads_in(answer);
  for (const std::string& key : pending) {
    // rclone ends all that begin so: where one is somebody else's, ours wait to become stale.
    const bool is_ours = std::all_of(
        pending.lower_bound(key), pending.end(),
        [&](const std::string& other) { return ours.contains(other) || !other.starts_with(key); });
    if (is_ours) CO_CHECK(co_await end_uploads(bucket_ + "/" + key, kAnyAge));
  }
  co_return Result<void>();
}

Task<Result<void>> RcloneStorage::drop_stale() {
  return end_uploads(bucket_ + "/users", fmt::format("{}h", kStaleUploadAge.count()));
}

// All that begin so, and are older than that.
Task<Result<void>> RcloneStorage::end_uploads(std::string prefix, std::string age) {
  const json::object parameters = {
      {"command", "cleanup"}, {"fs", exactly(prefix)}, {"opt", json::object{{"max-age", age}}}};
  CO_CHECK(co_await daemon_.call("backend/command", parameters, kObjectListDeadline));
  co_return Result<void>();
}

Task<Result<std::string>> RcloneStorage::read(StoragePlace place, std::string path,
                                              std::int64_t offset, std::size_t bytes_max) {
  CO_TRY(prefix, prefix_of(place));
  CO_TRY(key, key_in(place, path));
  auto bytes = co_await daemon_.read(prefix + "/" + key, offset, bytes_max, kObjectCallDeadline);
  if (!bytes && bytes.error().code == Code::not_found) {
    co_return fail(Code::not_found, "There is no such file.", bytes.error().internal);
  }
  co_return bytes;
}

Task<Result<std::optional<HomeTree>>> RcloneStorage::read_manifest(std::string user_id,
                                                                   std::size_t bytes_max) {
  if (!is_valid_user_id(user_id)) co_return fail(Code::invalid, "There is no such user.");
  const auto text =
      co_await daemon_.read(fmt::format("{}/users/{}/.matrx/manifest.json", bucket_, user_id), 0,
                            bytes_max + 1, kObjectListDeadline);
  if (!text && text.error().code == Code::not_found) co_return std::optional<HomeTree>();
  if (!text) co_return std::unexpected(text.error());
  if (text->size() > bytes_max) {
    co_return fail(Code::too_large, "The manifest of this user's home is too large.");
  }
  auto work = [&text]() -> Result<std::optional<HomeTree>> {
    TRY(tree, decode_manifest(*text));
    return std::optional<HomeTree>(std::move(tree));
  };
  co_return co_await on_worker(work);
}

Task<Result<void>> RcloneStorage::write_manifest(std::string user_id, HomeTree tree) {
  if (!is_valid_user_id(user_id)) co_return fail(Code::invalid, "There is no such user.");
  CO_TRY(staging, rclone::Staging::make(staging_root_, threads_));
  auto work = [path = (fs::path(staging.folder()) / "manifest.json").string(),
               tree = std::move(tree)]() -> Result<void> {
    TRY(encoded, encode_manifest(tree));
    return replace_file(path, encoded);
  };
  CO_CHECK(co_await on_worker(std::move(work)));
  co_return co_await send(staging.folder(), fmt::format("{}/users/{}/.matrx", bucket_, user_id));
}

Task<Result<StorageUsage>> RcloneStorage::usage(StoragePlace place) {
  CO_TRY(prefix, prefix_of(place));
  const auto answer =
      co_await daemon_.call("operations/size", {{"fs", remote(prefix)}}, kObjectListDeadline);
  if (!answer && answer.error().code == Code::not_found) co_return StorageUsage();
  if (!answer) co_return std::unexpected(answer.error());
  co_return StorageUsage{.total_size_bytes = json::integer_at(*answer, "bytes"),
                         .total_objects = json::integer_at(*answer, "count")};
}

Task<Result<std::int64_t>> RcloneStorage::remove_all(StoragePlace place) {
  CO_TRY(prefix, prefix_of(place));
  CO_TRY(used, co_await usage(place));
  // The manifest first: without objects it would make every file look deleted by its owner.
  if (place.tier == Tier::hot) {
    const auto removed =
        co_await daemon_.call("operations/deletefile",
                              {{"fs", remote(fmt::format("{}/users/{}", bucket_, place.user_id))},
                               {"remote", ".matrx/manifest.json"}},
                              kObjectCallDeadline);
    if (!removed && removed.error().code != Code::not_found) {
      co_return std::unexpected(removed.error());
    }
  }
  const auto purged =
      co_await daemon_.transfer("operations/purge", {{"fs", remote(prefix)}, {"remote", ""}});
  if (!purged && purged.error().code != Code::not_found) co_return std::unexpected(purged.error());
  co_return used.total_objects;
}

}  // namespace matrx
