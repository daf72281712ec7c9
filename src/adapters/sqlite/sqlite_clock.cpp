// What the registry keeps of its host's clock, so that a step of it ends no life.

#include <fmt/format.h>

#include "adapters/sqlite/rows.hpp"
#include "adapters/sqlite/sqlite_worker.hpp"
#include "base/log.hpp"

namespace matrx {
namespace {

// As SQLite's index of them says it.
constexpr const char* kLiving =
    "status IN ('creating', 'starting', 'ready', 'running', 'shutting_down')";

}  // namespace

Result<std::optional<SqliteStore::ClockMark>> SqliteStore::Worker::read_clock() {
  TRY(statement, prepared("SELECT boot, offset_ms, seen_at, doubted_at FROM store_clock"));
  TRY(known, statement->step());
  if (!known) return std::optional<ClockMark>();
  ClockMark mark{.boot = statement->text(0),
                 .offset = milliseconds(statement->integer(1)),
                 .seen_at = from_unix_ms(statement->integer(2))};
  if (const auto at = statement->maybe_integer(3)) mark.doubted_at = from_unix_ms(*at);
  CHECK_OK(statement->run());
  return std::optional<ClockMark>(std::move(mark));
}

Result<void> SqliteStore::Worker::write_clock(const ClockMark& mark) {
  TRY(statement,
      prepared("INSERT OR REPLACE INTO store_clock "
               "(only_row, boot, offset_ms, seen_at, doubted_at) VALUES (1, ?, ?, ?, ?)"));
  statement->bind(mark.boot).bind(std::int64_t{mark.offset.count()}).bind(to_unix_ms(mark.seen_at));
  statement->bind(mark.doubted_at ? std::optional(to_unix_ms(*mark.doubted_at)) : std::nullopt);
  return statement->run();
}

Result<void> SqliteStore::Worker::take_over_clock(const ClockMark& mark, milliseconds step) {
  TRY(transaction, sqlite::Transaction::begin(*database_));
  if (step != milliseconds(0)) CHECK_OK(move_lives(mark.seen_at, step));
  CHECK_OK(write_clock(mark));
  return transaction.commit();
}

// Each lives as long as it was promised, by the new time as by the old one.
Result<void> SqliteStore::Worker::move_lives(TimePoint now, milliseconds step) {
  TRY(events,
      prepared(fmt::format("INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, "
                           "detail) SELECT sandbox_id, ?, 'clock_set', status, 'store', ? "
                           "FROM sandbox_instances WHERE {}",
                           kLiving)));
  events->bind(to_unix_ms(now))
      .bind(fmt::format("The host's clock was set by {} s; its times move with it.",
                        static_cast<double>(step.count()) / 1000));
  CHECK_OK(events->run());
  TRY(rows, prepared(fmt::format(
                "UPDATE sandbox_instances SET expires_at = expires_at + ?1, stop_deadline_at = "
                "stop_deadline_at + ?1, paused_at = paused_at + ?1, last_active_at = "
                "last_active_at + ?1, last_heartbeat_at = last_heartbeat_at + ?1, "
                "version = version + 1 WHERE {}",
                kLiving)));
  rows->bind(std::int64_t{step.count()});
  CHECK_OK(rows->run());
  log::warning(
      "the host's clock was set since the registry was last used; lifetimes keep their "
      "length",
      {{"seconds", static_cast<double>(step.count()) / 1000}, {"sandboxes", database_->changes()}});
  TRY(keys, prepared("UPDATE idempotency_keys SET created_at = created_at + ?"));
  keys->bind(std::int64_t{step.count()});
  CHECK_OK(keys->run());
  TRY(leases, prepared("UPDATE leases SET expires_at = expires_at + ?"));
  leases->bind(std::int64_t{step.count()});
  CHECK_OK(leases->run());
  TRY(hosts, prepared("UPDATE hosts SET last_seen_at = last_seen_at + ?"));
  hosts->bind(std::int64_t{step.count()});
  return hosts->run();
}

}  // namespace matrx
