// Users' storage: works with no sandbox running.

#include <fmt/format.h>

#include <algorithm>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "wire/home_manifest.hpp"

namespace matrx::api {
namespace {

std::optional<Tier> parse_tier(std::string_view name) {
  if (name == "hot") return Tier::hot;
  if (name == "cold") return Tier::cold;
  return std::nullopt;
}

// The user and the tier of the path. not_found: there can be none.
Result<StoragePlace> place_of(const Context& context) {
  const std::string& user = context.params.at(0);
  const auto tier = context.params.size() > 1 ? parse_tier(context.params.at(1)) : Tier::hot;
  if (!is_valid_user_id(user)) return fail(Code::not_found, "There is no such user.");
  if (!tier) return fail(Code::not_found, "There is no such tier; there are hot and cold.");
  return StoragePlace{.user_id = user, .tier = *tier};
}

// A path may be written "/a/b/" as well; it never leads out of its tier.
Result<std::string> path_in(const QueryReader& query, bool may_be_top) {
  std::string path = query.text("path").value_or("");
  while (path.starts_with('/')) path.erase(0, 1);
  while (path.ends_with('/')) path.pop_back();
  if (path.empty() && may_be_top) return path;
  if (!is_home_path(path)) return fail(Code::invalid, "The path cannot be one of the storage.");
  return path;
}

// A name as a cursor: opaque, and plain in a URL, also where the name is no text at all.
std::string to_cursor(std::string_view name) {
  std::string cursor = base64_encode(name);
  std::ranges::replace(cursor, '+', '-');
  std::ranges::replace(cursor, '/', '_');
  cursor.erase(cursor.find_last_not_of('=') + 1);
  return cursor;
}

Result<std::string> name_of_cursor(std::string cursor) {
  constexpr std::size_t kGroup = 4;
  std::ranges::replace(cursor, '-', '+');
  std::ranges::replace(cursor, '_', '/');
  cursor.append((kGroup - cursor.size() % kGroup) % kGroup, '=');
  auto name = base64_decode(cursor);
  if (!name || name->contains('/')) {
    return fail(Code::invalid, "The cursor is not one of a page before.");
  }
  return *std::move(name);
}

StoredEntryBody stored_entry_body(const std::string& path, const HomeNode& node) {
  StoredEntryBody body{.path = to_valid_utf8(path), .size = node.size_bytes};
  body.name = body.path.substr(body.path.rfind('/') + 1);
  body.type = node.kind == NodeKind::file     ? "file"
              : node.kind == NodeKind::folder ? "folder"
                                              : "link";
  body.mode = fmt::format("{:04o}", node.mode);
  body.modified_at = from_unix_ms(node.modified_ns / kNsPerMs);
  if (node.kind == NodeKind::link) body.target = to_valid_utf8(node.target);
  return body;
}

TierUsageBody tier_body(const StorageUsage& usage) {
  return {.total_size_bytes = usage.total_size_bytes, .total_objects = usage.total_objects};
}

}  // namespace

Task<http::Response> Api::storage_usage(Context& context) {
  const auto place = place_of(context);
  if (!place) co_return error_response(place.error(), context.request_id);
  const auto hot = co_await core_.user_storage().usage({place->user_id, Tier::hot});
  if (!hot) co_return error_response(hot.error(), context.request_id);
  const auto cold = co_await core_.user_storage().usage({place->user_id, Tier::cold});
  if (!cold) co_return error_response(cold.error(), context.request_id);
  const StorageUsageBody body{.hot = tier_body(*hot), .cold = tier_body(*cold)};
  co_return json_response(200, storage_usage_schema().encode(body));
}

Task<http::Response> Api::storage_files(Context& context) {
  const auto place = place_of(context);
  if (!place) co_return error_response(place.error(), context.request_id);
  QueryReader query(context);
  const int limit = query.integer("limit", static_cast<int>(kStoredEntriesDefault), 1,
                                  static_cast<int>(kStoredEntriesMax));
  if (query.failed()) co_return query.response();
  const auto path = path_in(query, true);
  if (!path) co_return error_response(path.error(), context.request_id);
  const auto after = name_of_cursor(query.text("cursor").value_or(""));
  if (!after) co_return error_response(after.error(), context.request_id);
  FolderQuery page{.folder = *path, .after = *after};
  page.entries_max = static_cast<std::size_t>(limit);
  const auto folder = co_await core_.user_storage().list(*place, std::move(page));
  if (!folder) co_return error_response(folder.error(), context.request_id);
  StoredFolderBody body{.entries = {}, .truncated = folder->truncated};
  for (const auto& [entry, node] : folder->entries)
    body.entries.push_back(stored_entry_body(entry, node));
  if (folder->truncated && !folder->entries.empty()) {
    const std::string& last = folder->entries.rbegin()->first;
    body.next_cursor = to_cursor(last.substr(last.rfind('/') + 1));
  }
  co_return json_response(200, stored_folder_schema().encode(body));
}

Task<http::Response> Api::storage_content(Context& context) {
  const auto place = place_of(context);
  if (!place) co_return error_response(place.error(), context.request_id);
  const auto path = path_in(QueryReader(context), false);
  if (!path) co_return error_response(path.error(), context.request_id);
  const auto size = co_await core_.user_storage().size(*place, *path);
  if (!size) co_return error_response(size.error(), context.request_id);
  http::Response response;
  // Whatever a sandbox has written: no browser may take it for a page of ours.
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("Content-Disposition", "attachment");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.stream_bytes = static_cast<std::uint64_t>(*size);
  response.stream = [this, place = *place, path = *path, bytes = *size](http::BodyWriter& writer) {
    return stream_content(place, path, bytes, writer);
  };
  co_return response;
}

// What writes less than was announced breaks the connection: the reader knows.
Task<void> Api::stream_content(StoragePlace place, std::string path, std::int64_t bytes,
                               http::BodyWriter& writer) {
  for (std::int64_t offset = 0; offset < bytes;) {
    const auto wanted = std::min<std::int64_t>(bytes - offset, kStoredPieceBytes);
    const auto piece =
        co_await core_.user_storage().read(place, path, offset, static_cast<std::size_t>(wanted));
    if (!piece || piece->empty()) co_return;
    if (!co_await writer.write(*piece)) co_return;
    offset += static_cast<std::int64_t>(piece->size());
  }
}

Task<http::Response> Api::remove_storage(Context& context) {
  const auto place = place_of(context);
  if (!place) co_return error_response(place.error(), context.request_id);
  QueryReader query(context);
  std::vector<Tier> tiers = {Tier::hot, Tier::cold};
  if (const auto name = query.text("tier")) {
    const auto tier = parse_tier(*name);
    if (!tier) {
      query.refuse("tier", "Input should be 'hot' or 'cold'", "enum");
      co_return query.response();
    }
    tiers = {*tier};
  }
  const auto removed =
      co_await core_.user_storage().remove(place->user_id, std::move(tiers), context.actor());
  if (!removed) co_return error_response(removed.error(), context.request_id);
  co_return json_response(200, deleted_schema().encode({.deleted = *removed}));
}

Task<http::Response> Api::give_up_home(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto done = co_await core_.user_storage().give_up_home(*id, context.actor());
  if (!done) co_return error_response(done.error(), context.request_id);
  co_return http::Response{.status = 204};
}

}  // namespace matrx::api
