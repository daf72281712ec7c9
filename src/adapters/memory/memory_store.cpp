#include "adapters/memory/memory_store.hpp"

#include <algorithm>
#include <charconv>

#include "base/limits.hpp"
#include "model/page_cursor.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr std::size_t kEndedMax = 10'000;  // memory must not grow for ever; sqlite keeps them all

bool matches(const Sandbox& row, const ListQuery& query) {
  if (!query.user_id.empty() && row.user_id != query.user_id) return false;
  if (query.status && row.status != *query.status) return false;
  if (query.active_only && is_final(row.status)) return false;
  return !query.label || std::ranges::find(row.labels, *query.label) != row.labels.end();
}

bool is_newer(const Sandbox& a, const Sandbox& b) {
  return std::pair(a.created_at, a.id) > std::pair(b.created_at, b.id);
}

std::unexpected<Error> unknown() { return fail(Code::not_found, "There is no such sandbox."); }

}  // namespace

Task<Result<void>> MemoryStore::open() { co_return Result<void>(); }
Task<Result<void>> MemoryStore::ping() { co_return Result<void>(); }

Task<Result<Sandbox>> MemoryStore::insert(Sandbox sandbox, NewEvent event) {
  sandbox.version = 1;
  const auto [at, added] = entries_.emplace(sandbox.id, Entry{sandbox, {}});
  if (!added) co_return fail(Code::conflict, "The sandbox exists already.");
  append(at->second, sandbox.created_at, std::move(event));
  co_return sandbox;
}

Task<Result<Sandbox>> MemoryStore::get(SandboxId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return unknown();
  co_return found->second.row;
}

Task<Result<Sandbox>> MemoryStore::update(Sandbox sandbox, TimePoint at, NewEvent event) {
  const auto found = entries_.find(sandbox.id);
  if (found == entries_.end()) co_return unknown();
  Sandbox& row = found->second.row;
  if (row.version != sandbox.version) {
    co_return fail(Code::conflict, "The sandbox has changed meanwhile.");
  }
  const bool ends = is_final(sandbox.status) && !is_final(row.status);
  sandbox.last_heartbeat_at = row.last_heartbeat_at;
  sandbox.updated_at = at;
  ++sandbox.version;
  row = sandbox;
  append(found->second, at, std::move(event));
  if (ends) {
    ended_.push_back(row.id);
    drop_oldest_ended();
  }
  co_return sandbox;
}

Task<Result<void>> MemoryStore::heartbeat(SandboxId id, TimePoint at) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return unknown();
  if (is_final(found->second.row.status)) {
    co_return fail(Code::conflict, "The sandbox has ended.");
  }
  found->second.row.last_heartbeat_at = at;
  co_return Result<void>();
}

Task<Result<SandboxPage>> MemoryStore::list(ListQuery query) {
  std::optional<PageCursor> after;
  if (!query.cursor.empty()) {
    CO_TRY(cursor, PageCursor::parse(query.cursor));
    after = cursor;
  }
  std::vector<const Sandbox*> found;
  for (const auto& [id, entry] : entries_) {
    if (matches(entry.row, query)) found.push_back(&entry.row);
  }
  std::ranges::sort(found, [](const auto* a, const auto* b) { return is_newer(*a, *b); });
  SandboxPage page;
  page.total = static_cast<std::int64_t>(found.size());
  for (const Sandbox* row : found) {
    if (after && !after->is_before(*row)) continue;
    if (page.sandboxes.size() == static_cast<std::size_t>(query.limit)) {
      page.next_cursor = PageCursor::at(page.sandboxes.back()).text();
      break;
    }
    page.sandboxes.push_back(*row);
  }
  co_return page;
}

Task<Result<std::vector<Sandbox>>> MemoryStore::list_active(std::string installation) {
  std::vector<Sandbox> rows;
  for (const auto& [id, entry] : entries_) {
    if (!is_final(entry.row.status) && entry.row.installation == installation) {
      rows.push_back(entry.row);
    }
  }
  co_return rows;
}

Task<Result<std::vector<SandboxId>>> MemoryStore::list_due(std::string installation, TimePoint now,
                                                           int limit) {
  std::vector<const Sandbox*> due;
  for (const auto& [id, entry] : entries_) {
    const Sandbox& row = entry.row;
    if (is_usable(row.status) && row.expires_at <= now && row.installation == installation) {
      due.push_back(&row);
    }
  }
  std::ranges::sort(due, {}, [](const Sandbox* row) { return row->expires_at; });
  std::vector<SandboxId> ids;
  for (const Sandbox* row : due) {
    if (ids.size() == static_cast<std::size_t>(limit)) break;
    ids.push_back(row->id);
  }
  co_return ids;
}

Task<Result<std::int64_t>> MemoryStore::count_active() {
  co_return std::ranges::count_if(
      entries_, [](const auto& pair) { return !is_final(pair.second.row.status); });
}

Task<Result<std::vector<SandboxEvent>>> MemoryStore::events(SandboxId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return std::vector<SandboxEvent>();
  co_return found->second.events;
}

Task<Result<void>> MemoryStore::append_event(SandboxId id, TimePoint at, NewEvent event) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return unknown();
  append(found->second, at, std::move(event));
  co_return Result<void>();
}

void MemoryStore::append(Entry& entry, TimePoint at, NewEvent event) {
  entry.events.push_back({.event_id = ++last_event_id_,
                          .sandbox_id = entry.row.id,
                          .at = at,
                          .type = std::move(event.type),
                          .status = std::string(status_name(entry.row.status)),
                          .actor = std::move(event.actor),
                          .detail = std::move(event.detail)});
  if (entry.events.size() > kEventsMax) entry.events.erase(entry.events.begin());
}

void MemoryStore::drop_oldest_ended() {
  if (ended_.size() <= kEndedMax) return;
  entries_.erase(ended_.front());
  ended_.erase(ended_.begin());
}

}  // namespace matrx
