// Adding a row, once for each idempotency key.

#include <fmt/format.h>

#include "adapters/postgres/postgres_store.hpp"
#include "adapters/postgres/rows.hpp"
#include "base/limits.hpp"

namespace matrx {
namespace {

constexpr int kClaimTriesMax = 3;  // a key can be pruned between two statements, not for ever

const std::string& insert_sql() {
  static const std::string sql = fmt::format(
      "WITH added AS (INSERT INTO sandbox_instances ({}) VALUES ({}) RETURNING *), "
      "event AS (INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, detail) "
      "SELECT sandbox_id, created_at, $30::text, status, $31::text, $32::text FROM added) "
      "SELECT {} FROM added",
      postgres::kWrittenColumns, postgres::kWrittenValues, postgres::kSandboxColumns);
  return sql;
}

// Whoever gets the key adds the row. It is taken over where its time is over, or where what it made
// has failed. One who waits for another's insert of the same key sees that key afterwards, and
// gets nothing.
const std::string& claiming_insert_sql() {
  static const std::string sql = fmt::format(
      "WITH claim AS (INSERT INTO matrx_idempotency_keys AS k (key, fingerprint, sandbox_id) "
      "VALUES ($33::text, $34::text, $1::text) ON CONFLICT (key) DO UPDATE SET "
      "fingerprint = excluded.fingerprint, sandbox_id = excluded.sandbox_id, created_at = now() "
      "WHERE k.created_at <= now() - make_interval(hours => {}) OR EXISTS (SELECT FROM "
      "sandbox_instances s WHERE s.sandbox_id = k.sandbox_id AND s.status = 'failed') "
      "RETURNING key), "
      "added AS (INSERT INTO sandbox_instances ({}) SELECT {} FROM claim RETURNING *), "
      "event AS (INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, detail) "
      "SELECT sandbox_id, created_at, $30::text, status, $31::text, $32::text FROM added) "
      "SELECT {} FROM added",
      kIdempotencyWindow.count(), postgres::kWrittenColumns, postgres::kWrittenValues,
      postgres::kSandboxColumns);
  return sql;
}

std::unexpected<Error> key_taken() {
  return fail(Code::conflict, "This idempotency key was used for another request.");
}

postgres::Params params_of(const Sandbox& sandbox, const NewEvent& event) {
  postgres::Params params = postgres::to_params(sandbox);
  params.add(event.type).add(event.actor).add(event.detail);
  return params;
}

}  // namespace

Task<Result<Inserted>> PostgresStore::insert(Sandbox sandbox, NewEvent event,
                                             std::optional<IdempotencyKey> key) {
  sandbox.version = 1;
  if (!key) {
    CO_TRY(rows, co_await pool_.run(insert_sql(), params_of(sandbox, event)));
    CO_TRY(row, postgres::read_sandbox(rows, 0));
    co_return Inserted{std::move(row), true};
  }
  for (int tries = 0; tries < kClaimTriesMax; ++tries) {
    CO_TRY(inserted, co_await insert_once(sandbox, event, *key));
    if (inserted) co_return *std::move(inserted);
  }
  co_return fail(Code::conflict, "The idempotency key is being used by others; try again.");
}

Task<Result<std::optional<Sandbox>>> PostgresStore::find_claimed(IdempotencyKey key) {
  static const std::string sql = fmt::format(
      "SELECT k.sandbox_id, k.fingerprint FROM matrx_idempotency_keys k "
      "JOIN sandbox_instances s ON s.sandbox_id = k.sandbox_id "
      "WHERE k.key = $1::text AND k.created_at > now() - make_interval(hours => {}) "
      "AND s.status <> 'failed'",
      kIdempotencyWindow.count());
  postgres::Params wanted;
  wanted.add(key.key);
  CO_TRY(made, co_await pool_.run(sql, std::move(wanted)));
  const auto id = made.size() > 0 ? SandboxId::parse(made.text(0, 0)) : std::nullopt;
  if (!id) co_return std::optional<Sandbox>();
  if (made.text(0, 1) != key.fingerprint) co_return key_taken();
  auto row = co_await get(*id);
  if (row) co_return std::optional<Sandbox>(*std::move(row));
  if (row.error().code == Code::not_found) co_return std::optional<Sandbox>();
  co_return std::unexpected(row.error());
}

// Nothing: the key has vanished between the two statements.
Task<Result<std::optional<Inserted>>> PostgresStore::insert_once(const Sandbox& sandbox,
                                                                 const NewEvent& event,
                                                                 const IdempotencyKey& key) {
  postgres::Params params = params_of(sandbox, event);
  params.add(key.key).add(key.fingerprint);
  CO_TRY(added, co_await pool_.run(claiming_insert_sql(), std::move(params)));
  if (added.size() > 0) {
    CO_TRY(row, postgres::read_sandbox(added, 0));
    co_return std::optional<Inserted>({std::move(row), true});
  }
  postgres::Params wanted;
  wanted.add(key.key);
  CO_TRY(made, co_await pool_.run("SELECT sandbox_id, fingerprint FROM matrx_idempotency_keys "
                                  "WHERE key = $1::text",
                                  std::move(wanted)));
  const auto id = made.size() > 0 ? SandboxId::parse(made.text(0, 0)) : std::nullopt;
  if (!id) co_return std::optional<Inserted>();
  auto row = co_await get(*id);
  if (!row && row.error().code == Code::not_found) {
    // Somebody deleted the row by hand: the claim is worth nothing any more.
    postgres::Params claim;
    claim.add(key.key).add(id->text());
    CO_CHECK(
        co_await pool_.run("DELETE FROM matrx_idempotency_keys WHERE key = $1::text AND "
                           "sandbox_id = $2::text",
                           std::move(claim)));
    co_return std::optional<Inserted>();
  }
  if (!row) co_return std::unexpected(row.error());
  if (made.text(0, 1) != key.fingerprint) {
    co_return key_taken();
  }
  co_return std::optional<Inserted>({*std::move(row), false});
}

}  // namespace matrx
