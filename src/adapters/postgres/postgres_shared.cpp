// What several orchestrators share: the feed, the hosts, leases, and forgetting. The server's clock
// decides.

#include <fmt/format.h>

#include <charconv>

#include "adapters/postgres/postgres_store.hpp"
#include "adapters/postgres/rows.hpp"
#include "base/limits.hpp"

namespace matrx {
namespace {

using postgres::kActive;
using postgres::Params;

// Where a reader of the feed stands: the transaction and the event after which to go on. Event ids
// alone are no order: a smaller one may be committed later. Transactions below the snapshot's xmin
// have all ended, so nothing can appear any more among what is shown of them.
// The generation changes where the order begins anew: after a restore, after a truncation.
struct FeedCursor {
  std::int64_t generation = 0;
  std::uint64_t transaction = 0;
  std::int64_t event_id = 0;

  static std::optional<FeedCursor> parse(const std::string& text) {
    FeedCursor cursor;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](auto& into, char behind) {
      const auto [stopped, ec] = std::from_chars(at, end, into);
      const bool is_last = stopped == end;
      const bool ended = behind == '\0' ? is_last : !is_last && *stopped == behind;
      if (!is_last) at = stopped + 1;
      return ec == std::errc() && ended;
    };
    const bool read = number(cursor.generation, '.') && number(cursor.transaction, '-') &&
                      number(cursor.event_id, '\0');
    return read && cursor.event_id >= 0 ? std::optional(cursor) : std::nullopt;
  }
};

}  // namespace

Task<Result<FeedPage>> PostgresStore::feed(std::string after, int limit) {
  if (after.empty()) {
    CO_TRY(end, co_await pool_.run("SELECT (SELECT generation FROM matrx_feed) || '.' || "
                                   "pg_snapshot_xmin(pg_current_snapshot())::text || '-0'"));
    co_return FeedPage{.items = {}, .cursor = end.text(0, 0)};
  }
  const auto cursor = FeedCursor::parse(after);
  if (!cursor) co_return fail(Code::invalid, "The cursor is not one of this feed.");
  static const std::string sql = fmt::format(
      "WITH now AS (SELECT pg_current_snapshot() AS snapshot, * FROM matrx_feed) "
      "SELECT now.generation = $4::bigint AND $1::text::xid8 <= pg_snapshot_xmax(now.snapshot) AND "
      "($1::text::xid8, $2::bigint) >= (now.forgotten_xid, now.forgotten_event_id), "
      "now.generation || '.' || e.xid::text || '-' || e.event_id, "
      "s.installation, e.event_id, e.sandbox_id, {}, e.type, e.status, e.actor, e.detail "
      "FROM now LEFT JOIN (sandbox_events e JOIN sandbox_instances s USING (sandbox_id)) ON "
      "(e.xid, e.event_id) > ($1::text::xid8, $2::bigint) AND "
      "e.xid < pg_snapshot_xmin(now.snapshot) ORDER BY e.xid, e.event_id LIMIT $3::bigint",
      postgres::ms_of("e.at"));
  Params params;
  params.add(std::to_string(cursor->transaction)).add(cursor->event_id).add(std::int64_t{limit});
  params.add(cursor->generation);
  CO_TRY(rows, co_await pool_.run(sql, std::move(params)));
  if (rows.size() == 0) {
    co_return fail(Code::unavailable, "The table matrx_feed is empty; it has one row.");
  }
  if (!rows.flag(0, 0)) {
    co_return fail(Code::invalid, "The cursor is not one of this feed, or too old.");
  }
  FeedPage page{.items = {}, .cursor = std::move(after)};
  for (int row = 0; row < rows.size() && !rows.is_null(row, 1); ++row) {
    page.items.push_back({.event = postgres::read_event(rows, row, 3),
                          .installation = rows.text(row, 2),
                          .cursor = rows.text(row, 1)});
    page.cursor = page.items.back().cursor;
  }
  co_return page;
}

Task<Result<void>> PostgresStore::listen() {
  CO_TRY(connection, co_await pool_.connect());
  CO_CHECK(co_await connection->query("LISTEN matrx_events", {}));
  listener_ = std::move(connection);
  co_return Result<void>();
}

Task<void> PostgresStore::wait_for_feed(milliseconds limit) {
  const Patience patience(clock_, limit);
  if (!listener_) {
    const auto listening = co_await within(clock_, limit, "Postgres", listen());
    if (listening) co_return;  // something may have happened while nobody listened
    if (!patience.is_over()) co_await clock_.sleep(patience.left());
    co_return;
  }
  const auto heard = co_await with_deadline(clock_, limit, listener_->wait_notification());
  if (heard && !*heard) listener_.reset();
}

Task<Result<void>> PostgresStore::announce(std::string installation, std::string host_name) {
  Params params;
  params.add(std::move(installation)).add(std::move(host_name));
  CO_CHECK(co_await pool_.run(
      "INSERT INTO matrx_hosts (installation, name, last_seen_at) "
      "VALUES ($1::text, $2::text, clock_timestamp()) ON CONFLICT (installation) DO UPDATE SET "
      "name = excluded.name, last_seen_at = excluded.last_seen_at",
      std::move(params)));
  co_return Result<void>();
}

Task<Result<void>> PostgresStore::note_clean(std::string installation, TimePoint at) {
  Params params;
  params.add(std::move(installation)).add(to_rfc3339(at));
  CO_CHECK(co_await pool_.run(
      "UPDATE matrx_hosts SET clean_at = $2::timestamptz WHERE installation = $1::text",
      std::move(params)));
  co_return Result<void>();
}

Task<Result<std::optional<Host>>> PostgresStore::host(std::string installation) {
  Params params;
  params.add(installation);
  CO_TRY(rows, co_await pool_.run("SELECT name, " + postgres::ms_of("last_seen_at") +
                                      " FROM matrx_hosts WHERE installation = $1::text",
                                  std::move(params)));
  if (rows.size() == 0) co_return std::optional<Host>();
  co_return std::optional<Host>(
      {std::move(installation), rows.text(0, 0), from_unix_ms(rows.integer(0, 1))});
}

Task<Result<bool>> PostgresStore::take_lease(std::string name, std::string holder,
                                             milliseconds duration) {
  Params params;
  params.add(std::move(name)).add(std::move(holder)).add(std::int64_t{duration.count()});
  CO_TRY(rows,
         co_await pool_.run(
             "INSERT INTO matrx_leases AS l (name, holder, expires_at) VALUES ($1::text, $2::text, "
             "clock_timestamp() + $3::bigint * interval '1 millisecond') ON CONFLICT (name) DO "
             "UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at WHERE "
             "l.holder = excluded.holder OR l.expires_at <= clock_timestamp() RETURNING 1",
             std::move(params)));
  co_return rows.size() > 0;
}

Task<Result<std::vector<Sandbox>>> PostgresStore::list_deserted(TimePoint due,
                                                                TimePoint silent_since, int limit) {
  Params params;
  params.add(to_rfc3339(due)).add(to_rfc3339(silent_since)).add(std::int64_t{limit});
  CO_TRY(rows,
         co_await pool_.run(fmt::format("SELECT {} FROM sandbox_instances s WHERE {} AND "
                                        "expires_at <= $1::timestamptz AND NOT EXISTS (SELECT FROM "
                                        "matrx_hosts h WHERE h.installation = s.installation AND "
                                        "h.last_seen_at > $2::timestamptz) LIMIT $3::bigint",
                                        postgres::kSandboxColumns, kActive),
                            std::move(params)));
  co_return postgres::read_sandboxes(rows);
}

Task<Result<int>> PostgresStore::prune(TimePoint ended_before, TimePoint unclean_before,
                                       int limit) {
  Params params;
  params.add(to_rfc3339(ended_before)).add(std::int64_t{limit}).add(to_rfc3339(unclean_before));
  CO_TRY(rows,
         co_await pool_.run(
             fmt::format(
                 "WITH keys AS (DELETE FROM matrx_idempotency_keys WHERE "
                 "created_at <= now() - make_interval(hours => {0})), "
                 "leases AS (DELETE FROM matrx_leases WHERE "
                 "expires_at <= now() - make_interval(hours => {0})), "
                 "gone AS (DELETE FROM sandbox_instances WHERE sandbox_id IN "
                 "(SELECT sandbox_id FROM sandbox_instances s WHERE "
                 "stopped_at < $1::timestamptz AND status IN ('stopped', 'failed', 'expired') AND "
                 "(stopped_at < $3::timestamptz OR EXISTS (SELECT FROM matrx_hosts "
                 "h WHERE h.installation = s.installation AND "
                 "h.clean_at > s.stopped_at) AND storage_state <> 'pending') ORDER BY stopped_at "
                 "LIMIT $2::bigint) RETURNING 1) SELECT count(*) FROM gone",
                 kIdempotencyWindow.count()),
             std::move(params)));
  co_return static_cast<int>(rows.integer(0, 0));
}

}  // namespace matrx
