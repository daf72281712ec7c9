#include "adapters/postgres/postgres_store.hpp"

#include <fmt/format.h>

#include "adapters/postgres/rows.hpp"
#include "adapters/postgres/schema.hpp"
#include "base/limits.hpp"
#include "model/page_cursor.hpp"

namespace matrx {
namespace {

using postgres::kActive;
using postgres::kSandboxColumns;
using postgres::Params;

constexpr auto kWriteTestInterval = milliseconds(10'000);

std::unexpected<Error> unknown() { return fail(Code::not_found, "There is no such sandbox."); }

// The parameters of a statement while its text is put together.
class Where {
 public:
  void add(const char* condition, std::string value) {
    params_.add(std::move(value));
    text_ += fmt::format(fmt::runtime(std::string(" AND ") + condition), ++count_);
  }
  void add(const char* condition) { text_ += std::string(" AND ") + condition; }
  int next(std::string value) {
    params_.add(std::move(value));
    return ++count_;
  }
  std::string text() const { return "true" + text_; }
  const Params& params() const { return params_; }

 private:
  std::string text_;
  Params params_;
  int count_ = 0;
};

Where filter_of(const ListQuery& query) {
  Where where;
  if (!query.user_id.empty()) where.add("user_id = ${}::text", query.user_id);
  if (query.status) where.add("status = ${}::text", std::string(status_name(*query.status)));
  if (query.active_only) where.add(kActive);
  if (query.label) {
    const int name = where.next(query.label->first);
    const int value = where.next(query.label->second);
    where.add(
        fmt::format("labels @> jsonb_build_object(${}::text, ${}::text)", name, value).c_str());
  }
  return where;
}

}  // namespace

Task<Result<void>> PostgresStore::ping() {
  const milliseconds up = clock_.uptime();
  if (wrote_at_ && up - *wrote_at_ < kWriteTestInterval) {
    CO_CHECK(co_await pool_.run("SELECT 1"));
    co_return Result<void>();
  }
  // A server that is full, or a copy that only reads, is no registry. Not for each question.
  CO_CHECK(co_await take_lease("write-test", "ping", milliseconds(0)));
  wrote_at_ = up;
  co_return Result<void>();
}

Task<Result<TimePoint>> PostgresStore::now() {
  CO_TRY(rows, co_await pool_.run("SELECT " + postgres::ms_of("clock_timestamp()")));
  co_return from_unix_ms(rows.integer(0, 0));
}

Task<Result<Sandbox>> PostgresStore::get(SandboxId id) {
  Params params;
  params.add(id.text());
  CO_TRY(rows, co_await pool_.run(
                   fmt::format("SELECT {} FROM sandbox_instances WHERE sandbox_id = $1::text",
                               kSandboxColumns),
                   std::move(params)));
  if (rows.size() == 0) co_return unknown();
  co_return postgres::read_sandbox(rows, 0);
}

Task<Result<Sandbox>> PostgresStore::update(Sandbox sandbox, TimePoint at, NewEvent event) {
  static const std::string sql = fmt::format(
      "WITH changed AS (UPDATE sandbox_instances SET ({}) = ROW ({}) "
      "WHERE sandbox_id = $1::text AND version = $25::bigint - 1 RETURNING *), "
      "event AS (INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, detail) "
      "SELECT sandbox_id, $17::timestamptz, $30::text, status, $31::text, $32::text FROM changed) "
      "SELECT {} FROM changed",
      postgres::kWrittenColumns, postgres::kWrittenValues, kSandboxColumns);
  const SandboxId id = sandbox.id;
  sandbox.updated_at = at;
  ++sandbox.version;
  Params params = postgres::to_params(sandbox);
  params.add(std::move(event.type)).add(std::move(event.actor)).add(std::move(event.detail));
  CO_TRY(rows, co_await pool_.run(sql, std::move(params)));
  if (rows.size() == 0) {
    CO_CHECK(co_await get(id));  // unknown, or changed?
    co_return fail(Code::conflict, "The sandbox has changed meanwhile.");
  }
  co_return postgres::read_sandbox(rows, 0);
}

Task<Result<void>> PostgresStore::heartbeat(SandboxId id, TimePoint at) {
  Params params;
  params.add(id.text()).add(to_rfc3339(at));
  CO_TRY(rows, co_await pool_.run(
                   fmt::format("UPDATE sandbox_instances SET last_heartbeat_at = $2::timestamptz "
                               "WHERE sandbox_id = $1::text AND {} RETURNING 1",
                               kActive),
                   std::move(params)));
  if (rows.size() > 0) co_return Result<void>();
  CO_CHECK(co_await get(id));  // unknown, or final?
  co_return fail(Code::conflict, "The sandbox has ended.");
}

Task<Result<void>> PostgresStore::note_active(SandboxId id, TimePoint at) {
  Params params;
  params.add(id.text()).add(to_rfc3339(at));
  CO_TRY(rows, co_await pool_.run(fmt::format("UPDATE sandbox_instances SET last_active_at = "
                                              "greatest(last_active_at, $2::timestamptz) "
                                              "WHERE sandbox_id = $1::text AND {} RETURNING 1",
                                              kActive),
                                  std::move(params)));
  if (rows.size() > 0) co_return Result<void>();
  CO_CHECK(co_await get(id));  // unknown, or final?
  co_return fail(Code::conflict, "The sandbox has ended.");
}

Task<Result<SandboxPage>> PostgresStore::list(ListQuery query) {
  Where where = filter_of(query);
  SandboxPage page;
  CO_TRY(counted, co_await pool_.run("SELECT count(*) FROM sandbox_instances WHERE " + where.text(),
                                     where.params()));
  page.total = counted.integer(0, 0);
  if (!query.cursor.empty()) {
    CO_TRY(cursor, PageCursor::parse(query.cursor));
    const int at = where.next(to_rfc3339(cursor.created_at));
    const int id = where.next(cursor.id.text());
    where.add(
        fmt::format("(created_at, sandbox_id) < (${}::timestamptz, ${}::text)", at, id).c_str());
  }
  const int limit = where.next(std::to_string(query.limit + 1));
  CO_TRY(rows, co_await pool_.run(fmt::format("SELECT {} FROM sandbox_instances WHERE {} ORDER BY "
                                              "created_at DESC, sandbox_id DESC LIMIT ${}::bigint",
                                              kSandboxColumns, where.text(), limit),
                                  where.params()));
  std::vector<Sandbox> sandboxes = postgres::read_sandboxes(rows);
  if (rows.size() > query.limit && !sandboxes.empty()) {
    if (sandboxes.size() > static_cast<std::size_t>(query.limit)) sandboxes.pop_back();
    page.next_cursor = PageCursor::at(sandboxes.back()).text();
  }
  page.sandboxes = std::move(sandboxes);
  co_return page;
}

Task<Result<std::vector<Sandbox>>> PostgresStore::list_active(std::string installation) {
  Params params;
  params.add(std::move(installation));
  CO_TRY(rows,
         co_await pool_.run(
             fmt::format("SELECT {} FROM sandbox_instances WHERE installation = $1::text AND {}",
                         kSandboxColumns, kActive),
             std::move(params)));
  co_return postgres::read_sandboxes(rows);
}

Task<Result<std::vector<SandboxId>>> PostgresStore::list_due(std::string installation,
                                                             TimePoint now, int limit) {
  Params params;
  params.add(std::move(installation)).add(to_rfc3339(now)).add(std::int64_t{limit});
  CO_TRY(rows, co_await pool_.run(
                   "SELECT sandbox_id FROM sandbox_instances WHERE installation = $1::text AND "
                   "expires_at <= $2::timestamptz AND status IN ('ready', 'running') "
                   "ORDER BY expires_at LIMIT $3::bigint",
                   std::move(params)));
  std::vector<SandboxId> ids;
  for (int row = 0; row < rows.size(); ++row) {
    if (auto id = SandboxId::parse(rows.text(row, 0))) ids.push_back(*std::move(id));
  }
  co_return ids;
}

Task<Result<std::vector<Sandbox>>> PostgresStore::list_unsaved(std::string installation,
                                                               std::string user_id, int limit) {
  Params params;
  params.add(std::move(installation)).add(std::move(user_id)).add(std::int64_t{limit});
  CO_TRY(rows, co_await pool_.run(
                   fmt::format("SELECT {} FROM sandbox_instances WHERE storage_state IN ('active', "
                               "'pending') AND (storage_state = 'pending' OR status = "
                               "'shutting_down') AND ($1::text = '' OR installation = $1::text) "
                               "AND ($2::text = '' OR user_id = $2::text) LIMIT $3::bigint",
                               kSandboxColumns),
                   std::move(params)));
  co_return postgres::read_sandboxes(rows);
}

Task<Result<std::int64_t>> PostgresStore::count_active(std::string installation) {
  Params params;
  params.add(std::move(installation));
  CO_TRY(rows, co_await pool_.run(fmt::format("SELECT count(*) FROM sandbox_instances WHERE "
                                              "installation = $1::text AND {}",
                                              kActive),
                                  std::move(params)));
  co_return rows.integer(0, 0);
}

Task<Result<std::vector<SandboxEvent>>> PostgresStore::events(SandboxId id) {
  Params params;
  params.add(id.text()).add(std::int64_t{kEventsMax});
  CO_TRY(rows, co_await pool_.run(
                   fmt::format("SELECT event_id, sandbox_id, {}, type, status, actor, detail FROM "
                               "(SELECT * FROM sandbox_events WHERE sandbox_id = $1::text "
                               "ORDER BY event_id DESC LIMIT $2::bigint) newest ORDER BY event_id",
                               postgres::ms_of("at")),
                   std::move(params)));
  std::vector<SandboxEvent> events;
  events.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) events.push_back(postgres::read_event(rows, row, 0));
  co_return events;
}

Task<Result<void>> PostgresStore::append_event(SandboxId id, TimePoint at, NewEvent event) {
  Params params;
  params.add(id.text())
      .add(to_rfc3339(at))
      .add(std::move(event.type))
      .add(std::move(event.actor))
      .add(std::move(event.detail));
  CO_TRY(rows, co_await pool_.run(
                   "INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, detail) "
                   "SELECT sandbox_id, $2::timestamptz, $3::text, status, $4::text, $5::text FROM "
                   "sandbox_instances WHERE sandbox_id = $1::text RETURNING 1",
                   std::move(params)));
  if (rows.size() == 0) co_return unknown();
  co_return Result<void>();
}

}  // namespace matrx
