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
std::unexpected<Error> key_taken() {
  return fail(Code::conflict, "This idempotency key was used for another request.");
}

}  // namespace

MemoryStore::MemoryStore(const Clock& clock)
    : time_(clock), life_(std::to_string(to_unix_ms(clock.now()))) {}

Task<Result<void>> MemoryStore::open() { co_return Result<void>(); }
Task<Result<void>> MemoryStore::ping() { co_return Result<void>(); }

Task<Result<TimePoint>> MemoryStore::now() { co_return time_.now(); }

Task<Result<Inserted>> MemoryStore::insert(Sandbox sandbox, NewEvent event,
                                           std::optional<IdempotencyKey> key) {
  if (key) {
    CO_TRY(made, co_await find_claimed(*key));
    if (made) co_return Inserted{*std::move(made), false};
  }
  sandbox.version = 1;
  const auto [at, added] = entries_.emplace(sandbox.id, Entry{sandbox, {}});
  if (!added) co_return fail(Code::conflict, "The sandbox exists already.");
  append(at->second, sandbox.created_at, std::move(event));
  if (key) claims_[key->key] = {key->fingerprint, sandbox.id, time_.now()};
  co_return Inserted{sandbox, true};
}

Task<Result<std::optional<Sandbox>>> MemoryStore::find_claimed(IdempotencyKey key) {
  const auto claim = claims_.find(key.key);
  if (claim == claims_.end() || claim->second.at + kIdempotencyWindow <= time_.now()) {
    co_return std::optional<Sandbox>();
  }
  const auto made = entries_.find(claim->second.id);
  if (made == entries_.end() || made->second.row.status == Status::failed) {
    co_return std::optional<Sandbox>();
  }
  if (claim->second.fingerprint != key.fingerprint) co_return key_taken();
  co_return std::optional<Sandbox>(made->second.row);
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
  sandbox.last_active_at = row.last_active_at;
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

Task<Result<void>> MemoryStore::note_active(SandboxId id, TimePoint at) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) co_return unknown();
  Sandbox& row = found->second.row;
  if (is_final(row.status)) co_return fail(Code::conflict, "The sandbox has ended.");
  row.last_active_at = std::max(row.last_active_at.value_or(at), at);
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

Task<Result<std::vector<Sandbox>>> MemoryStore::list_unsaved(std::string installation,
                                                             std::string user_id, int limit) {
  std::vector<Sandbox> rows;
  for (const auto& [id, entry] : entries_) {
    const Sandbox& row = entry.row;
    if (rows.size() == static_cast<std::size_t>(limit)) break;
    if (!installation.empty() && row.installation != installation) continue;
    if (!user_id.empty() && row.user_id != user_id) continue;
    if (is_unsaved(row)) rows.push_back(row);
  }
  co_return rows;
}

Task<Result<std::int64_t>> MemoryStore::count_active(std::string installation) {
  co_return std::ranges::count_if(entries_, [&](const auto& pair) {
    const Sandbox& row = pair.second.row;
    return !is_final(row.status) && row.installation == installation;
  });
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

Task<Result<FeedPage>> MemoryStore::feed(std::string after, int limit) {
  FeedPage page{.items = {}, .cursor = cursor_at(last_event_id_)};
  if (after.empty()) co_return page;
  const auto dot = after.find('.');
  std::int64_t last = -1;
  const char* end = after.data() + after.size();
  if (dot != std::string::npos && after.substr(0, dot) == life_) {
    std::from_chars(after.data() + dot + 1, end, last);
  }
  const std::int64_t oldest = feed_.empty() ? last_event_id_ : feed_.front().event.event_id - 1;
  if (last < oldest || last > last_event_id_) {
    co_return fail(Code::invalid, "The cursor is not one of this feed, or too old.");
  }
  for (auto at = feed_.begin() + (last - oldest); at != feed_.end(); ++at) {
    if (page.items.size() == static_cast<std::size_t>(limit)) break;
    page.items.push_back(*at);
  }
  page.cursor = page.items.empty() ? std::move(after) : page.items.back().cursor;
  co_return page;
}

Task<void> MemoryStore::wait_for_feed(milliseconds limit) { return appended_.wait(limit); }

std::string MemoryStore::cursor_at(std::int64_t event_id) const {
  return life_ + "." + std::to_string(event_id);
}

Task<Result<void>> MemoryStore::announce(std::string installation, std::string host_name) {
  (void)time_.now();
  const auto lives = [](const auto& pair) { return !is_final(pair.second.row.status); };
  if (time_.step() != milliseconds(0) && std::ranges::none_of(entries_, lives)) {
    const milliseconds step = time_.step();
    time_.confirm();
    doubted_at_ = time_.now();
    for (auto& [key, claim] : claims_) claim.at += step;
    for (auto& [name, lease] : leases_) lease.expires_at += step;
    for (auto& [id, host] : hosts_) host.last_seen_at += step;
  }
  hosts_[installation] = {installation, std::move(host_name), time_.now()};
  co_return Result<void>();
}

Task<Result<void>> MemoryStore::note_clean(std::string installation, TimePoint at) {
  if (hosts_.contains(installation)) clean_[std::move(installation)] = at;
  co_return Result<void>();
}

Task<Result<std::optional<Host>>> MemoryStore::host(std::string installation) {
  const auto found = hosts_.find(installation);
  if (found == hosts_.end()) co_return std::optional<Host>();
  co_return std::optional<Host>(found->second);
}

Task<Result<bool>> MemoryStore::take_lease(std::string name, std::string holder,
                                           milliseconds duration) {
  Lease& lease = leases_[name];
  if (lease.holder != holder && lease.expires_at > time_.now()) co_return false;
  lease = {std::move(holder), time_.now() + duration};
  co_return true;
}

Task<Result<std::vector<Sandbox>>> MemoryStore::list_deserted(TimePoint due, TimePoint silent_since,
                                                              int limit) {
  std::vector<Sandbox> rows;
  for (const auto& [id, entry] : entries_) {
    if (rows.size() == static_cast<std::size_t>(limit)) break;
    const Sandbox& row = entry.row;
    if (is_final(row.status) || row.expires_at > due) continue;
    const auto host = hosts_.find(row.installation);
    if (host == hosts_.end() || host->second.last_seen_at <= silent_since) rows.push_back(row);
  }
  co_return rows;
}

Task<Result<int>> MemoryStore::prune(TimePoint ended_before, TimePoint unclean_before, int limit) {
  std::erase_if(claims_, [this](const auto& pair) {
    return pair.second.at + kIdempotencyWindow <= time_.now();
  });
  std::erase_if(leases_, [this](const auto& pair) {
    return pair.second.expires_at + kIdempotencyWindow <= time_.now();
  });
  if (doubted_at_ && time_.now() < *doubted_at_ + kClockDoubt) co_return 0;
  int pruned = 0;
  for (auto id = ended_.begin(); id != ended_.end() && pruned < limit;) {
    const auto entry = entries_.find(*id);
    if (entry != entries_.end() && !may_forget(entry->second.row, ended_before, unclean_before)) {
      ++id;
      continue;
    }
    if (entry != entries_.end()) {
      entries_.erase(entry);
      ++pruned;
    }
    id = ended_.erase(id);
  }
  co_return pruned;
}

bool MemoryStore::may_forget(const Sandbox& row, TimePoint ended_before,
                             TimePoint unclean_before) const {
  if (!row.stopped_at || *row.stopped_at >= ended_before) return false;
  if (*row.stopped_at < unclean_before) return true;
  if (row.storage_state == StorageState::pending) return false;
  const auto clean = clean_.find(row.installation);
  return clean != clean_.end() && clean->second > *row.stopped_at;
}

void MemoryStore::append(Entry& entry, TimePoint at, NewEvent event) {
  entry.events.push_back({.event_id = ++last_event_id_,
                          .sandbox_id = entry.row.id,
                          .at = at,
                          .type = std::move(event.type),
                          .status = std::string(status_name(entry.row.status)),
                          .actor = std::move(event.actor),
                          .detail = std::move(event.detail)});
  feed_.push_back({entry.events.back(), entry.row.installation, cursor_at(last_event_id_)});
  if (feed_.size() > kFeedMemoryEventsMax) feed_.pop_front();
  if (entry.events.size() > kEventsMax) entry.events.erase(entry.events.begin());
  appended_.ring();
}

void MemoryStore::drop_oldest_ended() {
  if (ended_.size() <= kEndedMax) return;
  entries_.erase(ended_.front());
  ended_.pop_front();
}

}  // namespace matrx
