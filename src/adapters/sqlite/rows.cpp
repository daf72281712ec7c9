#include "adapters/sqlite/rows.hpp"

#include "wire/json.hpp"

namespace matrx::sqlite {
namespace {

std::optional<std::int64_t> to_ms(const std::optional<TimePoint>& at) {
  if (!at) return std::nullopt;
  return to_unix_ms(*at);
}

std::optional<TimePoint> to_time(std::optional<std::int64_t> ms) {
  if (!ms) return std::nullopt;
  return from_unix_ms(*ms);
}

}  // namespace

const char* const kSandboxColumns =
    "sandbox_id, user_id, status, container_id, image, template_id, name, labels, config, cpu, "
    "memory_bytes, pids, ttl_seconds, hot_path, cold_path, created_at, updated_at, expires_at, "
    "stopped_at, stop_reason, stop_graceful, stop_deadline_at, status_detail, installation, "
    "version, last_heartbeat_at, storage_state, storage_detail, paused_at, idle_timeout_seconds, "
    "last_active_at";

const char* const kInsertSandbox =
    "INSERT INTO sandbox_instances (sandbox_id, user_id, status, container_id, image, "
    "template_id, name, labels, config, cpu, memory_bytes, pids, ttl_seconds, hot_path, "
    "cold_path, created_at, updated_at, expires_at, stopped_at, stop_reason, stop_graceful, "
    "stop_deadline_at, status_detail, installation, version, storage_state, storage_detail, "
    "paused_at, idle_timeout_seconds) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

const char* const kUpdateSandbox =
    "UPDATE sandbox_instances SET (sandbox_id, user_id, status, container_id, image, "
    "template_id, name, labels, config, cpu, memory_bytes, pids, ttl_seconds, hot_path, "
    "cold_path, created_at, updated_at, expires_at, stopped_at, stop_reason, stop_graceful, "
    "stop_deadline_at, status_detail, installation, version, storage_state, storage_detail, "
    "paused_at, idle_timeout_seconds) "
    "= (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
    "WHERE sandbox_id = ? AND version = ?";

Result<Sandbox> read_sandbox(const Statement& row) {
  const auto id = SandboxId::parse(row.text(0));
  const auto status = parse_status(row.text(2));
  const auto labels = json::decode_pairs(row.text(7));
  const auto storage_state = parse_storage_state(row.text(26));
  if (!id || !status || !labels || !storage_state) {
    return fail(Code::internal, "The registry holds a row that cannot be read.",
                "sandbox_instances row " + row.text(0));
  }
  Sandbox sandbox;
  sandbox.id = *id;
  sandbox.user_id = row.text(1);
  sandbox.status = *status;
  sandbox.container_id = row.text(3);
  sandbox.image = row.text(4);
  sandbox.template_id = row.text(5);
  sandbox.name = row.text(6);
  sandbox.labels = *labels;
  sandbox.config_json = row.text(8);
  sandbox.resources = {
      .cpu = row.real(9), .memory_bytes = row.integer(10), .pids = row.integer(11)};
  sandbox.ttl_seconds = static_cast<int>(row.integer(12));
  sandbox.hot_path = row.text(13);
  sandbox.cold_path = row.text(14);
  sandbox.created_at = from_unix_ms(row.integer(15));
  sandbox.updated_at = from_unix_ms(row.integer(16));
  sandbox.expires_at = from_unix_ms(row.integer(17));
  sandbox.stopped_at = to_time(row.maybe_integer(18));
  sandbox.stop_reason = parse_stop_reason(row.text(19));
  sandbox.stop_graceful = row.integer(20) != 0;
  sandbox.stop_deadline_at = to_time(row.maybe_integer(21));
  sandbox.status_detail = row.text(22);
  sandbox.installation = row.text(23);
  sandbox.version = row.integer(24);
  sandbox.last_heartbeat_at = to_time(row.maybe_integer(25));
  sandbox.storage_state = *storage_state;
  sandbox.storage_detail = row.text(27);
  sandbox.paused_at = to_time(row.maybe_integer(28));
  sandbox.idle_timeout_seconds = static_cast<int>(row.integer(29));
  sandbox.last_active_at = to_time(row.maybe_integer(30));
  return sandbox;
}

void bind_sandbox(Statement& statement, const Sandbox& sandbox) {
  statement.bind(sandbox.id.text())
      .bind(sandbox.user_id)
      .bind(status_name(sandbox.status))
      .bind(sandbox.container_id)
      .bind(sandbox.image)
      .bind(sandbox.template_id)
      .bind(sandbox.name)
      .bind(json::encode_pairs(sandbox.labels))
      .bind(sandbox.config_json)
      .bind(sandbox.resources.cpu)
      .bind(sandbox.resources.memory_bytes)
      .bind(sandbox.resources.pids)
      .bind(static_cast<std::int64_t>(sandbox.ttl_seconds))
      .bind(sandbox.hot_path)
      .bind(sandbox.cold_path)
      .bind(to_unix_ms(sandbox.created_at))
      .bind(to_unix_ms(sandbox.updated_at))
      .bind(to_unix_ms(sandbox.expires_at))
      .bind(to_ms(sandbox.stopped_at));
  if (sandbox.stop_reason) {
    statement.bind(stop_reason_name(*sandbox.stop_reason));
  } else {
    statement.bind_null();
  }
  statement.bind(static_cast<std::int64_t>(sandbox.stop_graceful))
      .bind(to_ms(sandbox.stop_deadline_at))
      .bind(sandbox.status_detail)
      .bind(sandbox.installation)
      .bind(sandbox.version)
      .bind(storage_state_name(sandbox.storage_state))
      .bind(sandbox.storage_detail)
      .bind(to_ms(sandbox.paused_at))
      .bind(static_cast<std::int64_t>(sandbox.idle_timeout_seconds));
}

}  // namespace matrx::sqlite
