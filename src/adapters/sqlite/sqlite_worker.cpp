#include "adapters/sqlite/sqlite_worker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <charconv>

#include "adapters/sqlite/migrations.hpp"
#include "adapters/sqlite/room.hpp"
#include "adapters/sqlite/rows.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/page_cursor.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

// How long the answer of a write that was tried stands. A failure is looked at again sooner.
constexpr auto kWriteTestInterval = milliseconds(10'000);
constexpr auto kFailedWriteInterval = milliseconds(1000);

constexpr const char* kActive =
    "status IN ('creating', 'starting', 'ready', 'running', 'shutting_down')";

// The first part is implied, but SQLite uses its index only where it is said.
constexpr const char* kUnsaved =
    "storage_state IN ('active', 'pending') AND "
    "(storage_state = 'pending' OR status = 'shutting_down')";

std::unexpected<Error> unknown() { return fail(Code::not_found, "There is no such sandbox."); }

// The WHERE of a listing; bind_filter binds its parameters in the same order.
std::string filter_of(const ListQuery& query) {
  std::string where = "1";
  if (!query.user_id.empty()) where += " AND user_id = ?";
  if (query.status) where += " AND status = ?";
  if (query.active_only) where += std::string(" AND ") + kActive;
  if (query.label) {
    where += " AND EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)";
  }
  return where;
}

void bind_filter(sqlite::Statement& statement, const ListQuery& query) {
  if (!query.user_id.empty()) statement.bind(query.user_id);
  if (query.status) statement.bind(status_name(*query.status));
  if (query.label) statement.bind(query.label->first).bind(query.label->second);
}

}  // namespace

Result<void> SqliteStore::Worker::open(const std::string& path) {
  if (database_) return {};  // an earlier try came so far: statements and locks belong to it
  TRY(database, sqlite::Database::open(path));
  // What is_shared() says: this process alone has it. Readers, such as a backup, ask for no lock.
  lock_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (lock_ && ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::unavailable, "another orchestrator is using the SQLite database " + path +
                                       "; share a registry in Postgres instead");
  }
  CHECK_OK(database.execute("PRAGMA journal_mode = WAL"));
  CHECK_OK(database.execute("PRAGMA synchronous = FULL"));
  CHECK_OK(database.execute("PRAGMA foreign_keys = ON"));
  CHECK_OK(sqlite::migrate(database));
  database.keep_log();
  database_ = std::make_unique<sqlite::Database>(std::move(database));
  path_ = path;
  keep_room();
  return {};
}

SqliteStore::Worker::~Worker() {
  statements_.clear();
  if (database_) sqlite::empty_log(*database_, path_);
}

// A store that cannot write is no store, though it reads. But not a write for each question.
Result<void> SqliteStore::Worker::ping(milliseconds up, TimePoint now) {
  const bool failed = tested_ && !*tested_;
  const milliseconds stands = failed ? kFailedWriteInterval : kWriteTestInterval;
  if (!tested_ || up - tested_at_ >= stands) {
    tested_ = test_write(now);
    tested_at_ = up;
  }
  return *tested_;
}

Result<void> SqliteStore::Worker::test_write(TimePoint now) {
  CHECK_OK(take_lease("write-test", "ping", now, now));
  return {};
}

// Where there is no room now, there may be later.
void SqliteStore::Worker::keep_room() {
  const auto kept = sqlite::keep_room(*database_, path_);
  if (!kept && has_room_) {
    log::warning("the registry has no room of its own on its disk",
                 {{"error", kept.error().message}, {"internal", kept.error().internal}});
  }
  has_room_ = kept.has_value();
}

Result<Inserted> SqliteStore::Worker::insert(Sandbox sandbox, const NewEvent& event,
                                             const std::optional<IdempotencyKey>& key,
                                             TimePoint now) {
  if (key) {
    TRY(made, find_claimed(*key, now));
    if (made) return Inserted{*std::move(made), false};
  }
  sandbox.version = 1;
  TRY(statement, prepared(sqlite::kInsertSandbox));
  TRY(transaction, sqlite::Transaction::begin(*database_));
  sqlite::bind_sandbox(*statement, sandbox);
  CHECK_OK(statement->run());
  CHECK_OK(add_event(sandbox.id, sandbox.created_at, status_name(sandbox.status), event));
  if (key) {
    TRY(claim, prepared("INSERT OR REPLACE INTO idempotency_keys "
                        "(key, fingerprint, sandbox_id, created_at) VALUES (?, ?, ?, ?)"));
    claim->bind(key->key).bind(key->fingerprint).bind(sandbox.id.text()).bind(to_unix_ms(now));
    CHECK_OK(claim->run());
  }
  CHECK_OK(transaction.commit());
  return Inserted{sandbox, true};
}

// The row that the key has made, where that still counts.
Result<std::optional<Sandbox>> SqliteStore::Worker::find_claimed(const IdempotencyKey& key,
                                                                 TimePoint now) {
  TRY(statement, prepared("SELECT fingerprint, sandbox_id FROM idempotency_keys "
                          "WHERE key = ? AND created_at > ?"));
  statement->bind(key.key).bind(to_unix_ms(now - kIdempotencyWindow));
  TRY(known, statement->step());
  if (!known) return std::optional<Sandbox>();
  const std::string fingerprint = statement->text(0);
  const auto id = SandboxId::parse(statement->text(1));
  CHECK_OK(statement->run());
  auto row = id ? get(*id) : unknown();
  if (!row && row.error().code != Code::not_found) return std::unexpected(row.error());
  if (!row || row->status == Status::failed) return std::optional<Sandbox>();
  if (fingerprint != key.fingerprint) {
    return fail(Code::conflict, "This idempotency key was used for another request.");
  }
  return std::optional<Sandbox>(*std::move(row));
}

Result<Sandbox> SqliteStore::Worker::get(const SandboxId& id) {
  TRY(statement, prepared(fmt::format("SELECT {} FROM sandbox_instances WHERE sandbox_id = ?",
                                      sqlite::kSandboxColumns)));
  statement->bind(id.text());
  TRY(is_there, statement->step());
  if (!is_there) return unknown();
  auto row = sqlite::read_sandbox(*statement);
  CHECK_OK(statement->run());
  return row;
}

Result<Sandbox> SqliteStore::Worker::update(Sandbox sandbox, TimePoint at, const NewEvent& event) {
  const std::int64_t version = sandbox.version;
  sandbox.version = version + 1;
  sandbox.updated_at = at;
  TRY(statement, prepared(sqlite::kUpdateSandbox));
  TRY(transaction, sqlite::Transaction::begin(*database_));
  sqlite::bind_sandbox(*statement, sandbox);
  statement->bind(sandbox.id.text()).bind(version);
  CHECK_OK(statement->run());
  if (database_->changes() == 0) {
    CHECK_OK(get(sandbox.id));  // unknown, or changed?
    return fail(Code::conflict, "The sandbox has changed meanwhile.");
  }
  CHECK_OK(add_event(sandbox.id, at, status_name(sandbox.status), event));
  TRY(now, get(sandbox.id));
  CHECK_OK(transaction.commit());
  return std::move(now);
}

Result<void> SqliteStore::Worker::heartbeat(const SandboxId& id, TimePoint at) {
  TRY(statement,
      prepared(fmt::format(
          "UPDATE sandbox_instances SET last_heartbeat_at = ? WHERE sandbox_id = ? AND {}",
          kActive)));
  statement->bind(to_unix_ms(at)).bind(id.text());
  CHECK_OK(statement->run());
  if (database_->changes() > 0) return {};
  CHECK_OK(get(id));  // unknown, or final?
  return fail(Code::conflict, "The sandbox has ended.");
}

Result<void> SqliteStore::Worker::note_active(const SandboxId& id, TimePoint at) {
  TRY(statement, prepared(fmt::format("UPDATE sandbox_instances SET last_active_at = "
                                      "max(coalesce(last_active_at, 0), ?) WHERE sandbox_id = ? "
                                      "AND {}",
                                      kActive)));
  statement->bind(to_unix_ms(at)).bind(id.text());
  CHECK_OK(statement->run());
  if (database_->changes() > 0) return {};
  CHECK_OK(get(id));  // unknown, or final?
  return fail(Code::conflict, "The sandbox has ended.");
}

Result<SandboxPage> SqliteStore::Worker::list(const ListQuery& query) {
  std::string where = filter_of(query);
  SandboxPage page;
  TRY(count, prepared("SELECT count(*) FROM sandbox_instances WHERE " + where));
  bind_filter(*count, query);
  TRY(counted, count->step());
  if (counted) page.total = count->integer(0);
  CHECK_OK(count->run());

  std::optional<PageCursor> cursor;
  if (!query.cursor.empty()) {
    TRY(parsed, PageCursor::parse(query.cursor));
    cursor = parsed;
    where += " AND (created_at, sandbox_id) < (?, ?)";
  }
  TRY(statement, prepared(fmt::format("SELECT {} FROM sandbox_instances WHERE {} "
                                      "ORDER BY created_at DESC, sandbox_id DESC LIMIT ?",
                                      sqlite::kSandboxColumns, where)));
  bind_filter(*statement, query);
  if (cursor) statement->bind(to_unix_ms(cursor->created_at)).bind(cursor->id.text());
  statement->bind(static_cast<std::int64_t>(query.limit) + 1);
  TRY(rows, read_all(*statement));
  if (rows.size() > static_cast<std::size_t>(query.limit)) {
    rows.pop_back();
    page.next_cursor = PageCursor::at(rows.back()).text();
  }
  page.sandboxes = std::move(rows);
  return page;
}

Result<std::vector<Sandbox>> SqliteStore::Worker::list_active(const std::string& installation) {
  TRY(statement,
      prepared(fmt::format("SELECT {} FROM sandbox_instances WHERE installation = ? AND {}",
                           sqlite::kSandboxColumns, kActive)));
  statement->bind(installation);
  return read_all(*statement);
}

Result<std::vector<SandboxId>> SqliteStore::Worker::list_due(const std::string& installation,
                                                             TimePoint now, int limit) {
  // kActive is implied, but SQLite uses its index only where it is said.
  TRY(statement, prepared(fmt::format("SELECT sandbox_id FROM sandbox_instances WHERE "
                                      "installation = ? AND expires_at <= ? AND {} AND "
                                      "status IN ('ready', 'running') ORDER BY expires_at LIMIT ?",
                                      kActive)));
  statement->bind(installation).bind(to_unix_ms(now)).bind(static_cast<std::int64_t>(limit));
  std::vector<SandboxId> ids;
  for (;;) {
    TRY(row, statement->step());
    if (!row) return ids;
    if (auto id = SandboxId::parse(statement->text(0))) ids.push_back(*std::move(id));
  }
}

Result<std::vector<Sandbox>> SqliteStore::Worker::list_unsaved(const std::string& installation,
                                                               const std::string& user_id,
                                                               int limit) {
  TRY(statement, prepared(fmt::format("SELECT {} FROM sandbox_instances WHERE {} AND "
                                      "(?1 = '' OR installation = ?1) AND "
                                      "(?2 = '' OR user_id = ?2) LIMIT ?3",
                                      sqlite::kSandboxColumns, kUnsaved)));
  statement->bind(installation).bind(user_id).bind(static_cast<std::int64_t>(limit));
  return read_all(*statement);
}

Result<std::int64_t> SqliteStore::Worker::count_active(const std::string& installation) {
  TRY(statement, prepared(fmt::format("SELECT count(*) FROM sandbox_instances WHERE "
                                      "(?1 = '' OR installation = ?1) AND {}",
                                      kActive)));
  statement->bind(installation);
  TRY(row, statement->step());
  const std::int64_t count = row ? statement->integer(0) : 0;
  CHECK_OK(statement->run());
  return count;
}

Result<std::vector<SandboxEvent>> SqliteStore::Worker::events(const SandboxId& id) {
  TRY(statement, prepared("SELECT * FROM (SELECT event_id, at, type, status, actor, detail FROM "
                          "sandbox_events WHERE sandbox_id = ? ORDER BY event_id DESC LIMIT ?) "
                          "ORDER BY event_id"));
  statement->bind(id.text()).bind(static_cast<std::int64_t>(kEventsMax));
  std::vector<SandboxEvent> events;
  for (;;) {
    TRY(row, statement->step());
    if (!row) return events;
    events.push_back({.event_id = statement->integer(0),
                      .sandbox_id = id,
                      .at = from_unix_ms(statement->integer(1)),
                      .type = statement->text(2),
                      .status = statement->text(3),
                      .actor = statement->text(4),
                      .detail = statement->text(5)});
  }
}

Result<void> SqliteStore::Worker::append_event(const SandboxId& id, TimePoint at,
                                               const NewEvent& event) {
  TRY(row, get(id));
  return add_event(id, at, status_name(row.status), event);
}

Result<FeedPage> SqliteStore::Worker::feed(const std::string& after, int limit) {
  TRY(bounds, prepared("SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'sandbox_events'), "
                       "(SELECT max(event_id) FROM forgotten_events)"));
  TRY(any, bounds->step());
  const std::int64_t last = any ? bounds->integer(0) : 0;
  const std::int64_t forgotten = any ? bounds->integer(1) : 0;
  CHECK_OK(bounds->run());
  if (after.empty()) return FeedPage{.items = {}, .cursor = std::to_string(last)};

  std::int64_t from = -1;
  const auto [stopped, ec] = std::from_chars(after.data(), after.data() + after.size(), from);
  if (ec != std::errc() || stopped != after.data() + after.size() || from < forgotten ||
      from > last) {
    return fail(Code::invalid, "The cursor is not one of this feed, or too old.");
  }
  TRY(statement,
      prepared("SELECT event_id, sandbox_id, at, type, e.status, actor, detail, installation FROM "
               "sandbox_events e JOIN sandbox_instances USING (sandbox_id) WHERE event_id > ? "
               "ORDER BY event_id LIMIT ?"));
  statement->bind(from).bind(static_cast<std::int64_t>(limit));
  FeedPage page{.items = {}, .cursor = after};
  for (;;) {
    TRY(row, statement->step());
    if (!row) return page;
    page.cursor = std::to_string(statement->integer(0));
    page.items.push_back(
        {.event = {.event_id = statement->integer(0),
                   .sandbox_id = SandboxId::parse(statement->text(1)).value_or(SandboxId()),
                   .at = from_unix_ms(statement->integer(2)),
                   .type = statement->text(3),
                   .status = statement->text(4),
                   .actor = statement->text(5),
                   .detail = statement->text(6)},
         .installation = statement->text(7),
         .cursor = page.cursor});
  }
}

Result<void> SqliteStore::Worker::announce(const Host& host, const ClockMark& mark) {
  TRY(statement, prepared("INSERT INTO hosts (installation, name, last_seen_at) VALUES (?, ?, ?) "
                          "ON CONFLICT (installation) DO UPDATE SET name = excluded.name, "
                          "last_seen_at = excluded.last_seen_at"));
  TRY(transaction, sqlite::Transaction::begin(*database_));
  statement->bind(host.installation).bind(host.name).bind(to_unix_ms(host.last_seen_at));
  CHECK_OK(statement->run());
  CHECK_OK(write_clock(mark));
  CHECK_OK(transaction.commit());
  keep_room();  // as often as a host says that it is alive
  return {};
}

Result<void> SqliteStore::Worker::note_clean(const std::string& installation, TimePoint at) {
  TRY(statement, prepared("UPDATE hosts SET clean_at = ? WHERE installation = ?"));
  statement->bind(to_unix_ms(at)).bind(installation);
  return statement->run();
}

Result<std::optional<Host>> SqliteStore::Worker::host(const std::string& installation) {
  TRY(statement, prepared("SELECT name, last_seen_at FROM hosts WHERE installation = ?"));
  statement->bind(installation);
  TRY(known, statement->step());
  if (!known) return std::optional<Host>();
  Host host{installation, statement->text(0), from_unix_ms(statement->integer(1))};
  CHECK_OK(statement->run());
  return std::optional<Host>(std::move(host));
}

Result<bool> SqliteStore::Worker::take_lease(const std::string& name, const std::string& holder,
                                             TimePoint now, TimePoint until) {
  TRY(statement, prepared("INSERT INTO leases (name, holder, expires_at) VALUES (?1, ?2, ?3) "
                          "ON CONFLICT (name) DO UPDATE SET holder = ?2, expires_at = ?3 "
                          "WHERE holder = ?2 OR expires_at <= ?4"));
  statement->bind(name).bind(holder).bind(to_unix_ms(until)).bind(to_unix_ms(now));
  CHECK_OK(statement->run());
  return database_->changes() > 0;
}

Result<std::vector<Sandbox>> SqliteStore::Worker::list_deserted(TimePoint due,
                                                                TimePoint silent_since, int limit) {
  TRY(statement,
      prepared(fmt::format("SELECT {} FROM sandbox_instances s WHERE expires_at <= ? AND {} AND "
                           "NOT EXISTS (SELECT 1 FROM hosts h WHERE h.installation = "
                           "s.installation AND h.last_seen_at > ?) LIMIT ?",
                           sqlite::kSandboxColumns, kActive)));
  statement->bind(to_unix_ms(due)).bind(to_unix_ms(silent_since));
  statement->bind(static_cast<std::int64_t>(limit));
  return read_all(*statement);
}

Result<int> SqliteStore::Worker::prune(TimePoint ended_before, TimePoint unclean_before, int limit,
                                       TimePoint now) {
  TRY(keys, prepared("DELETE FROM idempotency_keys WHERE created_at <= ?"));
  TRY(rows, prepared("DELETE FROM sandbox_instances WHERE sandbox_id IN (SELECT sandbox_id FROM "
                     "sandbox_instances s WHERE stopped_at < ? AND status IN ('stopped', 'failed', "
                     "'expired') AND (stopped_at < ? OR EXISTS (SELECT 1 FROM hosts h WHERE "
                     "h.installation = s.installation AND h.clean_at > s.stopped_at) "
                     "AND storage_state <> 'pending') "
                     "ORDER BY stopped_at LIMIT ?) RETURNING sandbox_id"));
  TRY(leases, prepared("DELETE FROM leases WHERE expires_at <= ?"));
  TRY(transaction, sqlite::Transaction::begin(*database_));
  keys->bind(to_unix_ms(now - kIdempotencyWindow));
  CHECK_OK(keys->run());
  leases->bind(to_unix_ms(now - kIdempotencyWindow));
  CHECK_OK(leases->run());
  rows->bind(to_unix_ms(ended_before)).bind(to_unix_ms(unclean_before));
  rows->bind(static_cast<std::int64_t>(limit));
  int pruned = 0;
  for (;;) {
    TRY(more, rows->step());
    if (!more) break;
    ++pruned;
  }
  CHECK_OK(transaction.commit());
  return pruned;
}

Result<sqlite::Statement*> SqliteStore::Worker::prepared(const std::string& sql) {
  if (!database_) return fail(Code::unavailable, "The registry's database is not open.");
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return &found->second;
  TRY(statement, database_->prepare(sql));
  return &statements_.emplace(sql, std::move(statement)).first->second;
}

Result<void> SqliteStore::Worker::add_event(const SandboxId& id, TimePoint at,
                                            std::string_view status, const NewEvent& event) {
  TRY(statement, prepared("INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, "
                          "detail) VALUES (?, ?, ?, ?, ?, ?)"));
  statement->bind(id.text())
      .bind(to_unix_ms(at))
      .bind(event.type)
      .bind(status)
      .bind(event.actor)
      .bind(event.detail);
  return statement->run();
}

Result<std::vector<Sandbox>> SqliteStore::Worker::read_all(sqlite::Statement& statement) {
  std::vector<Sandbox> rows;
  for (;;) {
    TRY(more, statement.step());
    if (!more) return rows;
    auto row = sqlite::read_sandbox(statement);
    if (row) {
      rows.push_back(*std::move(row));
    } else {
      // Somebody wrote into it by hand. The others go on.
      log::error(row.error().message, {{"internal", row.error().internal}});
    }
  }
}

}  // namespace matrx
