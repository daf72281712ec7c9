// The start: everything that can be wrong with the database is said in one sentence.

#include <fmt/format.h>

#include "adapters/postgres/postgres_store.hpp"
#include "adapters/postgres/schema.hpp"
#include "async/offload.hpp"

namespace matrx {
namespace {

std::unexpected<Error> wrong(std::string text) {
  return fail(Code::invalid, "MATRX_DATABASE_URL: " + std::move(text));
}

std::unexpected<Error> needs_migration(std::string_view what, std::string_view file) {
  return wrong(fmt::format(
      "{}: apply migrations/{} (psql \"$MATRX_DATABASE_URL\" -f migrations/{})", what, file, file));
}

}  // namespace

Task<Result<void>> PostgresStore::open() {
  if (const auto problem = postgres::problem_with_url(url_)) co_return wrong(*problem);
  const auto connection = co_await pool_.connect();
  if (!connection) {
    // libpq's words are the same kind of text for both: so the server is asked once more.
    asio::thread_pool thread(1);
    const bool is_there =
        co_await offload(thread, [url = url_] { return postgres::is_answering(url); });
    co_return fail(is_there ? Code::invalid : Code::unavailable,
                   std::string("MATRX_DATABASE_URL: Postgres ") +
                       (is_there ? "does not take us: correct the URL"
                                 : "cannot be reached: start it, or correct the URL"),
                   "(" + connection.error().internal + ")");
  }
  const int version = (*connection)->server_version();
  if (version < postgres::kServerVersionMin) {
    co_return wrong(fmt::format("the server is Postgres {}; {} or newer is needed",
                                version / 10'000, postgres::kServerVersionMin / 10'000));
  }
  co_return co_await check_schema();
}

// A query that failed: is it the connection, which may come back, or what was asked for?
Task<Error> PostgresStore::why_refused(Error error) {
  const auto answers = co_await pool_.run("SELECT 1");
  if (!answers) co_return answers.error();
  co_return wrong(error.message + " " + error.internal).error();
}

Task<Result<void>> PostgresStore::check_schema() {
  using postgres::kMigrations;
  const auto present = co_await pool_.run("SELECT to_regclass('matrx_schema') IS NOT NULL");
  if (!present) co_return std::unexpected(co_await why_refused(present.error()));
  if (!present->flag(0, 0)) {
    co_return needs_migration("the database has no table of ours", kMigrations[0]);
  }
  const auto rows = co_await pool_.run("SELECT coalesce(max(version), 0) FROM matrx_schema");
  if (!rows) co_return std::unexpected(co_await why_refused(rows.error()));
  const auto version = static_cast<std::size_t>(rows->integer(0, 0));
  if (version < kMigrations.size()) {
    co_return needs_migration(fmt::format("the database has schema version {}, {} is needed",
                                          version, kMigrations.size()),
                              kMigrations.at(version));
  }
  if (version > kMigrations.size()) {
    co_return wrong(
        fmt::format("the database has schema version {}, this orchestrator knows {}: start the "
                    "newer orchestrator that it is for",
                    version, kMigrations.size()));
  }
  // A table that somebody dropped later, or a role that may not read it.
  const auto tables = co_await pool_.run(
      "SELECT FROM sandbox_instances, sandbox_events, matrx_hosts, matrx_leases, "
      "matrx_idempotency_keys, matrx_feed LIMIT 0");
  if (!tables) co_return std::unexpected(co_await why_refused(tables.error()));
  const auto restored = co_await pool_.run(
      "SELECT EXISTS (SELECT FROM sandbox_events WHERE "
      "xid > pg_snapshot_xmax(pg_current_snapshot()))");
  if (!restored) co_return std::unexpected(co_await why_refused(restored.error()));
  if (restored->flag(0, 0)) {
    co_return wrong(
        "the database was restored from another server's dump: run SELECT matrx_after_restore() "
        "in it once");
  }
  co_return Result<void>();
}

}  // namespace matrx
