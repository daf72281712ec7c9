#include "adapters/postgres/rows.hpp"

#include "base/log.hpp"
#include "wire/json.hpp"

namespace matrx::postgres {
namespace {

std::optional<TimePoint> maybe_time(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return from_unix_ms(rows.integer(row, column));
}

void add_time(Params& params, const std::optional<TimePoint>& at) {
  if (at) {
    params.add(to_rfc3339(*at));
  } else {
    params.add_null();
  }
}

void add_unless_empty(Params& params, const std::string& text) {
  if (text.empty()) {
    params.add_null();
  } else {
    params.add(text);
  }
}

// jsonb cannot hold the character NUL, which JSON may spell \u0000.
std::string without_nul_escapes(std::string json) {
  for (std::size_t at = 0; (at = json.find('\\', at)) != std::string::npos; at += 2) {
    if (json.compare(at, 6, "\\u0000") == 0) json.replace(at, 6, "\\ufffd");
  }
  return json;
}

}  // namespace

const char* const kSandboxColumns =
    "sandbox_id, user_id, status, container_id, image, template_id, name, labels::text, "
    "config::text, cpu, memory_bytes, pids, ttl_seconds, hot_path, cold_path, "
    "(extract(epoch FROM created_at) * 1000)::bigint, "
    "(extract(epoch FROM updated_at) * 1000)::bigint, "
    "(extract(epoch FROM expires_at) * 1000)::bigint, "
    "(extract(epoch FROM stopped_at) * 1000)::bigint, stop_reason, stop_graceful, "
    "(extract(epoch FROM stop_deadline_at) * 1000)::bigint, status_detail, installation, "
    "version, (extract(epoch FROM last_heartbeat_at) * 1000)::bigint, storage_state, "
    "storage_detail, (extract(epoch FROM paused_at) * 1000)::bigint, idle_timeout_seconds, "
    "(extract(epoch FROM last_active_at) * 1000)::bigint";

const char* const kWrittenColumns =
    "sandbox_id, user_id, status, container_id, image, template_id, name, labels, config, cpu, "
    "memory_bytes, pids, ttl_seconds, hot_path, cold_path, created_at, updated_at, expires_at, "
    "stopped_at, stop_reason, stop_graceful, stop_deadline_at, status_detail, installation, "
    "version, storage_state, storage_detail, paused_at, idle_timeout_seconds";

const char* const kWrittenValues =
    "$1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::jsonb, $9::jsonb, "
    "$10::float8, $11::bigint, $12::bigint, $13::integer, $14::text, $15::text, $16::timestamptz, "
    "$17::timestamptz, $18::timestamptz, $19::timestamptz, $20::text, $21::boolean, "
    "$22::timestamptz, $23::text, $24::text, $25::bigint, $26::text, $27::text, "
    "$28::timestamptz, $29::integer";

std::string ms_of(const char* column) {
  return std::string("(extract(epoch FROM ") + column + ") * 1000)::bigint";
}

Result<Sandbox> read_sandbox(const Rows& rows, int row) {
  const auto id = SandboxId::parse(rows.text(row, 0));
  const auto status = parse_status(rows.text(row, 2));
  const auto labels = json::decode_pairs(rows.text(row, 7));
  const auto config = json::parse(rows.text(row, 8));
  const auto storage_state = parse_storage_state(rows.text(row, 26));
  if (!id || !status || !labels || !config || !storage_state) {
    return fail(Code::internal, "The registry holds a row that cannot be read.",
                "sandbox_instances row " + rows.text(row, 0));
  }
  Sandbox sandbox;
  sandbox.id = *id;
  sandbox.user_id = rows.text(row, 1);
  sandbox.status = *status;
  sandbox.container_id = rows.text(row, 3);
  sandbox.image = rows.text(row, 4);
  sandbox.template_id = rows.text(row, 5);
  sandbox.name = rows.text(row, 6);
  sandbox.labels = *labels;
  sandbox.config_json = boost::json::serialize(*config);  // jsonb's own text has spaces
  sandbox.resources = {.cpu = rows.real(row, 9),
                       .memory_bytes = rows.integer(row, 10),
                       .pids = rows.integer(row, 11)};
  sandbox.ttl_seconds = static_cast<int>(rows.integer(row, 12));
  sandbox.hot_path = rows.text(row, 13);
  sandbox.cold_path = rows.text(row, 14);
  sandbox.created_at = from_unix_ms(rows.integer(row, 15));
  sandbox.updated_at = from_unix_ms(rows.integer(row, 16));
  sandbox.expires_at = from_unix_ms(rows.integer(row, 17));
  sandbox.stopped_at = maybe_time(rows, row, 18);
  sandbox.stop_reason = parse_stop_reason(rows.text(row, 19));
  sandbox.stop_graceful = rows.flag(row, 20);
  sandbox.stop_deadline_at = maybe_time(rows, row, 21);
  sandbox.status_detail = rows.text(row, 22);
  sandbox.installation = rows.text(row, 23);
  sandbox.version = rows.integer(row, 24);
  sandbox.last_heartbeat_at = maybe_time(rows, row, 25);
  sandbox.storage_state = *storage_state;
  sandbox.storage_detail = rows.text(row, 27);
  sandbox.paused_at = maybe_time(rows, row, 28);
  sandbox.idle_timeout_seconds = static_cast<int>(rows.integer(row, 29));
  sandbox.last_active_at = maybe_time(rows, row, 30);
  return sandbox;
}

std::vector<Sandbox> read_sandboxes(const Rows& rows) {
  std::vector<Sandbox> all;
  all.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    auto sandbox = read_sandbox(rows, row);
    if (sandbox) {
      all.push_back(*std::move(sandbox));
    } else {
      // Somebody wrote into it by hand. The others go on.
      log::error(sandbox.error().message, {{"internal", sandbox.error().internal}});
    }
  }
  return all;
}

SandboxEvent read_event(const Rows& rows, int row, int first_column) {
  const int c = first_column;
  return {.event_id = rows.integer(row, c),
          .sandbox_id = SandboxId::parse(rows.text(row, c + 1)).value_or(SandboxId()),
          .at = from_unix_ms(rows.integer(row, c + 2)),
          .type = rows.text(row, c + 3),
          .status = rows.text(row, c + 4),
          .actor = rows.text(row, c + 5),
          .detail = rows.text(row, c + 6)};
}

Params to_params(const Sandbox& sandbox) {
  Params params;
  params.add(sandbox.id.text()).add(sandbox.user_id).add(std::string(status_name(sandbox.status)));
  add_unless_empty(params, sandbox.container_id);
  params.add(sandbox.image).add(sandbox.template_id);
  add_unless_empty(params, sandbox.name);
  params.add(without_nul_escapes(json::encode_pairs(sandbox.labels)))
      .add(without_nul_escapes(sandbox.config_json))
      .add(sandbox.resources.cpu)
      .add(sandbox.resources.memory_bytes)
      .add(sandbox.resources.pids)
      .add(static_cast<std::int64_t>(sandbox.ttl_seconds))
      .add(sandbox.hot_path)
      .add(sandbox.cold_path)
      .add(to_rfc3339(sandbox.created_at))
      .add(to_rfc3339(sandbox.updated_at))
      .add(to_rfc3339(sandbox.expires_at));
  add_time(params, sandbox.stopped_at);
  if (sandbox.stop_reason) {
    params.add(std::string(stop_reason_name(*sandbox.stop_reason)));
  } else {
    params.add_null();
  }
  params.add(std::string(sandbox.stop_graceful ? "t" : "f"));
  add_time(params, sandbox.stop_deadline_at);
  add_unless_empty(params, sandbox.status_detail);
  params.add(sandbox.installation).add(sandbox.version);
  params.add(std::string(storage_state_name(sandbox.storage_state)));
  add_unless_empty(params, sandbox.storage_detail);
  add_time(params, sandbox.paused_at);
  params.add(static_cast<std::int64_t>(sandbox.idle_timeout_seconds));
  return params;
}

}  // namespace matrx::postgres
