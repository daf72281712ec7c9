#include "api/messages.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx {
namespace api {
namespace {

const Schema<CreateSandboxRequest::ResourceRequest>& resource_request_schema();
const Schema<SandboxBody::ResourceBody>& resource_schema();
const Schema<DependencyBody>& dependency_schema();
const Schema<TierUsageBody>& tier_usage_schema();
const Schema<StoredEntryBody>& stored_entry_schema();

}  // namespace
}  // namespace api

MATRX_NESTED_CODEC(api::CreateSandboxRequest::ResourceRequest, api::resource_request_schema);
MATRX_NESTED_CODEC(api::SandboxBody::ResourceBody, api::resource_schema);
MATRX_NESTED_CODEC(api::SandboxBody, api::sandbox_schema);
MATRX_NESTED_CODEC(api::EventBody, api::event_schema);
MATRX_NESTED_CODEC(api::DependencyBody, api::dependency_schema);
MATRX_NESTED_CODEC(api::TierUsageBody, api::tier_usage_schema);
MATRX_NESTED_CODEC(api::StoredEntryBody, api::stored_entry_schema);

namespace api {
namespace {

constexpr double kCpuMin = 0.1, kCpuMax = 128;
constexpr std::int64_t kMemoryMbMin = 64, kMemoryMbMax = 1024 * 1024;

std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// A user name or a numeric id, as useradd allows them.
bool is_user_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_valid_user_id(text);
}

struct EgressListRule {
  void describe(json::object& schema) const {
    schema["minItems"] = 1;
    schema["maxItems"] = kEgressEntriesMax;
  }
  bool check(const std::vector<std::string>& entries, FieldErrors& errors, const Loc& loc) const {
    const auto list = parse_egress_list(entries);
    if (!list) errors.push_back({loc, list.error().message, "value_error"});
    return list.has_value();
  }
};

const Schema<CreateSandboxRequest::ResourceRequest>& resource_request_schema() {
  using R = CreateSandboxRequest::ResourceRequest;
  static const auto schema =
      Schema<R>("ResourceRequest")
          .field("cpu", &R::cpu, between(kCpuMin, kCpuMax), says("Cores."))
          .field("memory_mb", &R::memory_mb, between(kMemoryMbMin, kMemoryMbMax));
  return schema;
}

const Schema<SandboxBody::ResourceBody>& resource_schema() {
  using R = SandboxBody::ResourceBody;
  static const auto schema = Schema<R>("Resources")
                                 .field("cpu", &R::cpu, says("Cores."))
                                 .field("memory_mb", &R::memory_mb);
  return schema;
}

const Schema<DependencyBody>& dependency_schema() {
  using D = DependencyBody;
  static const auto schema = Schema<D>("Dependency")
                                 .field("name", &D::name)
                                 .field("status", &D::status, one_of({"ok", "unavailable"}))
                                 .field("detail", &D::detail);
  return schema;
}

const Schema<TierUsageBody>& tier_usage_schema() {
  static const auto schema = Schema<TierUsageBody>("TierUsage")
                                 .field("total_size_bytes", &TierUsageBody::total_size_bytes)
                                 .field("total_objects", &TierUsageBody::total_objects);
  return schema;
}

const Schema<StoredEntryBody>& stored_entry_schema() {
  using E = StoredEntryBody;
  static const auto schema =
      Schema<E>("StoredEntry")
          .field("path", &E::path, says("Below the tier; what is not UTF-8 in it is replaced."))
          .field("name", &E::name)
          .field("type", &E::type, one_of({"file", "folder", "link"}))
          .field("size", &E::size, says("Bytes."))
          .field("mode", &E::mode, example("0644"))
          .field("modified_at", &E::modified_at)
          .field("target", &E::target, says("Of a link."));
  return schema;
}

Schema<CreateSandboxRequest> make_create_request(const MessageLimits& limits) {
  using R = CreateSandboxRequest;
  return Schema<R>("CreateSandboxRequest")
      .field("user_id", &R::user_id, user_id_rule(), example("user-1"),
             says("Whose sandbox it is: decides the home and the cold storage."))
      .field("config", &R::config, bytes_at_most(kConfigBytesMax),
             says("Kept with the sandbox and given back; never interpreted."))
      .field("ttl_seconds", &R::ttl_seconds, between(kTtlSecondsMin, limits.ttl_seconds_max),
             says("Lifetime; the sandbox is stopped gracefully at its end."))
      .field("template", &R::template_id, one_of({"default"}))
      .field("name", &R::name, chars(1, kNameCharsMax), no_nul())
      .field("labels", &R::labels, PairsRule{.count_max = kLabelsMax, .chars_max = kLabelCharsMax})
      .field("env", &R::env, env_rule(),
             says("Environment of every command in it. Not kept in the registry."))
      .field("resources", &R::resources)
      .field("idle_timeout_seconds", &R::idle_timeout_seconds,
             between(kIdleSecondsMin, limits.ttl_seconds_max),
             says("Stop it gracefully when nothing has happened in it for so long: no request, no "
                  "terminal input, no work of the processor or the network. Default: never."))
      .field("egress", &R::egress, one_of({"open", "allowlist", "none"}),
             says("open (default): the internet, but no private network, no other sandbox and not "
                  "the host. allowlist: of that only what egress_allow names; no other name is "
                  "resolved. none: no network at all; commands, files and the port proxy work all "
                  "the same. Not kept in the registry."))
      // No example of its own: it would be one of a request without its mode.
      .field(
          "egress_allow", &R::egress_allow, EgressListRule(),
          says("With egress allowlist: IPv4 ranges like 192.0.2.0/24, domains like pypi.org, and "
               "*.pypi.org for what is below one."));
}

Schema<ExecRequest> make_exec_request(const MessageLimits& limits) {
  using R = ExecRequest;
  return Schema<R>("ExecRequest")
      .field("command", &R::command, chars(1, static_cast<std::size_t>(limits.command_chars_max)),
             no_nul(), example("python3 --version"),
             says("Run by bash, or by sh where the image has no bash."))
      .field_with_default("timeout", &R::timeout, between(1, limits.timeout_seconds_max),
                          says("Seconds; then every process of the command is killed."))
      .field("timeout_seconds", &R::timeout_seconds, between(1, limits.timeout_seconds_max),
             says("The same; timeout_seconds wins."))
      .field_with_default("user", &R::user, user_name_rule())
      .field("cwd", &R::cwd, chars(1, kPathBytesMax), no_nul(),
             says("Default: where the last command of this sandbox ended."))
      .field("env", &R::env, env_rule())
      .field("stdin", &R::stdin_text, bytes_at_most(kExecStdinBytesMax));
}

}  // namespace

PatternRule user_id_rule() { return {"^[a-zA-Z0-9._-]{1,255}$", is_valid_user_id}; }
PatternRule user_name_rule() { return {"^[a-zA-Z0-9._-]{1,64}$", is_user_name}; }
PairsRule env_rule() {
  return {.count_max = kEnvVarsMax, .bytes_max = kEnvBytesMax, .names_are_variables = true};
}

Schemas::Schemas(const MessageLimits& limits)
    : create_request(make_create_request(limits)),
      extend_request(Schema<ExtendRequest>("ExtendRequest")
                         .field("ttl_seconds", &ExtendRequest::ttl_seconds,
                                between(std::min(kExtendSecondsMin, limits.ttl_seconds_max),
                                        limits.ttl_seconds_max),
                                example(std::min(600, limits.ttl_seconds_max)),
                                says("From now on."))),
      exec_request(make_exec_request(limits)),
      complete_request(Schema<CompleteRequest>("CompleteRequest")
                           .field("result", &CompleteRequest::result,
                                  bytes_at_most(kConfigBytesMax),
                                  example(json::object{{"answer", 42}}), says("Any JSON."))),
      error_request(Schema<ErrorRequest>("ErrorRequest")
                        .field("error", &ErrorRequest::error, chars(1, 10'000),
                               example("The model did not answer."))
                        .field("details", &ErrorRequest::details, bytes_at_most(kConfigBytesMax),
                               says("Any JSON."))),
      session_request(Schema<SessionRequest>("SessionRequest")
                          .field("key", &SessionRequest::key, chars(1, kKeyCharsMax),
                                 example("one-of-MATRX_API_KEY"), says("An API key."))) {}

SandboxBody to_body(const Sandbox& row) {
  SandboxBody body;
  body.sandbox_id = row.id.text();
  body.user_id = row.user_id;
  body.status = status_name(row.status);
  body.container_id = unless_empty(row.container_id);
  body.created_at = row.created_at;
  body.hot_path = row.hot_path;
  body.cold_path = row.cold_path;
  body.config = {row.config_json};
  body.ttl_seconds = row.ttl_seconds;
  body.expires_at = row.expires_at;
  body.updated_at = row.updated_at;
  body.last_heartbeat_at = row.last_heartbeat_at;
  body.paused_at = row.paused_at;
  body.last_active_at = row.last_active_at;
  if (row.idle_timeout_seconds > 0) body.idle_timeout_seconds = row.idle_timeout_seconds;
  body.stopped_at = row.stopped_at;
  if (row.stop_reason) body.stop_reason = std::string(stop_reason_name(*row.stop_reason));
  body.status_detail = unless_empty(row.status_detail);
  body.storage_state = storage_state_name(row.storage_state);
  body.storage_detail = unless_empty(row.storage_detail);
  body.name = unless_empty(row.name);
  body.labels = row.labels;
  body.template_id = row.template_id;
  body.resources = {.cpu = row.resources.cpu,
                    .memory_mb = row.resources.memory_bytes / kBytesPerMb};
  return body;
}

EventBody to_body(const SandboxEvent& event) {
  return {.event_id = event.event_id,
          .sandbox_id = event.sandbox_id.text(),
          .at = event.at,
          .type = event.type,
          .status = event.status,
          .actor = event.actor,
          .detail = unless_empty(event.detail)};
}

const Schema<SandboxBody>& sandbox_schema() {
  using S = SandboxBody;
  static const auto schema =
      Schema<S>("Sandbox")
          .field("sandbox_id", &S::sandbox_id, example("sbx-0123456789ab"))
          .field("user_id", &S::user_id)
          .field("status", &S::status,
                 one_of({"creating", "starting", "ready", "running", "shutting_down", "stopped",
                         "failed", "expired"}))
          .field("container_id", &S::container_id)
          .field("created_at", &S::created_at)
          .field("hot_path", &S::hot_path, says("The home inside the sandbox."))
          .field("cold_path", &S::cold_path)
          .field("config", &S::config)
          .field("ttl_seconds", &S::ttl_seconds)
          .field("expires_at", &S::expires_at)
          .field("updated_at", &S::updated_at)
          .field("last_heartbeat_at", &S::last_heartbeat_at)
          .field("stopped_at", &S::stopped_at)
          .field("paused_at", &S::paused_at, says("Set while its processes stand still."))
          .field("idle_timeout_seconds", &S::idle_timeout_seconds)
          .field("last_active_at", &S::last_active_at,
                 says("With an idle timeout: when something last happened in it, up to half a "
                      "minute late."))
          .field(
              "stop_reason", &S::stop_reason,
              one_of({"user_requested", "expired", "error", "graceful_shutdown", "admin", "lost"}))
          .field("status_detail", &S::status_detail,
                 says("A sentence on why it failed or was lost."))
          .field("storage_state", &S::storage_state, one_of({"none", "active", "pending", "saved"}),
                 says("Of the home: none = nothing to save (any more), active = in use, pending = "
                      "ended and not all of it saved yet (its host keeps it, and goes on trying), "
                      "saved."))
          .field("storage_detail", &S::storage_detail,
                 says("A sentence on why the home is not saved, or what of it was left out."))
          .field("name", &S::name)
          .field("labels", &S::labels)
          .field("template", &S::template_id)
          .field("resources", &S::resources);
  return schema;
}

const Schema<SandboxListBody>& sandbox_list_schema() {
  using S = SandboxListBody;
  static const auto schema = Schema<S>("SandboxList")
                                 .field("sandboxes", &S::sandboxes, says("Newest first."))
                                 .field("total", &S::total, says("Over all pages."))
                                 .field("next_cursor", &S::next_cursor);
  return schema;
}

const Schema<ExecBody>& exec_schema() {
  using E = ExecBody;
  static const auto schema =
      Schema<E>("ExecResult")
          .field("exit_code", &E::exit_code, says("124 where the timeout ended it."))
          .field("stdout", &E::stdout_text)
          .field("stderr", &E::stderr_text)
          .field("cwd", &E::cwd, says("Where the command ended; the next one begins there."))
          .field("duration_ms", &E::duration_ms)
          .field("timed_out", &E::timed_out)
          .field("stdout_truncated", &E::stdout_truncated)
          .field("stderr_truncated", &E::stderr_truncated)
          .field("out_of_memory", &E::out_of_memory,
                 says("While it ran, the kernel killed something in the sandbox for want of "
                      "memory."));
  return schema;
}

const Schema<HeartbeatBody>& heartbeat_schema() {
  static const auto schema = Schema<HeartbeatBody>("Heartbeat")
                                 .field("acknowledged", &HeartbeatBody::acknowledged)
                                 .field("sandbox_id", &HeartbeatBody::sandbox_id);
  return schema;
}

const Schema<ShutdownBody>& shutdown_schema() {
  static const auto schema = Schema<ShutdownBody>("ShuttingDown")
                                 .field("status", &ShutdownBody::status)
                                 .field("sandbox_id", &ShutdownBody::sandbox_id)
                                 .field("error_received", &ShutdownBody::error_received);
  return schema;
}

const Schema<EventBody>& event_schema() {
  using E = EventBody;
  static const auto schema =
      Schema<E>("SandboxEvent")
          .field("event_id", &E::event_id)
          .field("sandbox_id", &E::sandbox_id)
          .field("at", &E::at)
          .field("type", &E::type, says("created, ready, lost, stopped, agent_error, …"))
          .field("status", &E::status, says("The sandbox's status after it."))
          .field("actor", &E::actor, says("Who caused it: api:<request id>, agent, loop:…"))
          .field("detail", &E::detail);
  return schema;
}

const Schema<EventListBody>& event_list_schema() {
  static const auto schema = Schema<EventListBody>("SandboxEventList")
                                 .field("events", &EventListBody::events, says("Oldest first."));
  return schema;
}

const Schema<StorageUsageBody>& storage_usage_schema() {
  static const auto schema = Schema<StorageUsageBody>("StorageUsage")
                                 .field("hot", &StorageUsageBody::hot)
                                 .field("cold", &StorageUsageBody::cold);
  return schema;
}

const Schema<StoredFolderBody>& stored_folder_schema() {
  static const auto schema =
      Schema<StoredFolderBody>("StoredFolder")
          .field("entries", &StoredFolderBody::entries, says("By name."))
          .field("truncated", &StoredFolderBody::truncated, says("There is more."))
          .field("next_cursor", &StoredFolderBody::next_cursor, says("Where it goes on."));
  return schema;
}

const Schema<DeletedBody>& deleted_schema() {
  static const auto schema =
      Schema<DeletedBody>("Deleted").field("deleted", &DeletedBody::deleted, says("Objects."));
  return schema;
}

const Schema<HealthBody>& health_schema() {
  static const auto schema = Schema<HealthBody>("Health")
                                 .field("status", &HealthBody::status)
                                 .field("active_sandboxes", &HealthBody::active_sandboxes)
                                 .field("uptime_seconds", &HealthBody::uptime_seconds);
  return schema;
}

const Schema<ServiceBody>& service_schema() {
  static const auto schema = Schema<ServiceBody>("Service")
                                 .field("service", &ServiceBody::service)
                                 .field("version", &ServiceBody::version)
                                 .field("docs", &ServiceBody::docs);
  return schema;
}

const Schema<ReadinessBody>& readiness_schema() {
  static const auto schema = Schema<ReadinessBody>("Readiness")
                                 .field("status", &ReadinessBody::status)
                                 .field("dependencies", &ReadinessBody::dependencies);
  return schema;
}

const Schema<SessionBody>& session_schema() {
  using S = SessionBody;
  static const auto schema =
      Schema<S>("Session")
          .field("signed_in", &S::signed_in)
          .field("key_needed", &S::key_needed, says("False: no key is set; open to everybody."))
          .field("csrf", &S::csrf,
                 says("To be sent as X-Matrx-CSRF with whatever changes something."))
          .field("version", &S::version)
          .field("ttl_seconds_default", &S::ttl_seconds_default, says("Of a new sandbox."))
          .field("ttl_seconds_max", &S::ttl_seconds_max);
  return schema;
}

}  // namespace api
}  // namespace matrx
