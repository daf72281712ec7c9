#pragma once
// The bodies of requests and answers, and their one description each (decode, encode, OpenAPI).

#include "core/core.hpp"
#include "wire/schema.hpp"

namespace matrx::api {

inline constexpr std::int64_t kBytesPerMb = 1024 * 1024;  // the API counts memory in MiB

struct CreateSandboxRequest {
  std::string user_id;
  std::optional<RawObject> config;
  std::optional<int> ttl_seconds;
  std::optional<std::string> template_id;
  std::optional<std::string> name;
  std::optional<Pairs> labels;
  std::optional<Pairs> env;
  struct ResourceRequest {
    std::optional<double> cpu;
    std::optional<std::int64_t> memory_mb;
  };
  std::optional<ResourceRequest> resources;
  std::optional<int> idle_timeout_seconds;
  std::optional<std::string> egress;
  std::optional<std::vector<std::string>> egress_allow;
};

struct SandboxBody {
  std::string sandbox_id, user_id, status;
  std::optional<std::string> container_id;
  TimePoint created_at;
  std::string hot_path, cold_path;
  RawObject config;
  int ttl_seconds = 0;
  TimePoint expires_at, updated_at;
  std::optional<TimePoint> last_heartbeat_at, stopped_at, paused_at, last_active_at;
  std::optional<int> idle_timeout_seconds;
  std::optional<std::string> stop_reason, status_detail, storage_detail, name;
  std::string storage_state;
  Pairs labels;
  std::string template_id;
  struct ResourceBody {
    double cpu = 0;
    std::int64_t memory_mb = 0;
  } resources;
};
SandboxBody to_body(const Sandbox& row);

struct SandboxListBody {
  std::vector<SandboxBody> sandboxes;
  std::int64_t total = 0;
  std::optional<std::string> next_cursor;
};

struct ExtendRequest {
  int ttl_seconds = 0;
};

struct ExecRequest {
  std::string command;
  int timeout = 30;
  std::optional<int> timeout_seconds;  // the same, as other clients of old spell it
  std::string user = "agent";
  std::optional<std::string> cwd;
  std::optional<Pairs> env;
  std::optional<std::string> stdin_text;
};

struct ExecBody {
  int exit_code = 0;
  std::string stdout_text, stderr_text, cwd;
  std::int64_t duration_ms = 0;
  bool timed_out = false, stdout_truncated = false, stderr_truncated = false;
  bool out_of_memory = false;
};

struct CompleteRequest {
  std::optional<RawJson> result;
};
struct ErrorRequest {
  std::string error;
  std::optional<RawJson> details;
};

struct HeartbeatBody {
  bool acknowledged = true;
  std::string sandbox_id;
};
struct ShutdownBody {
  std::string status = "shutting_down";
  std::string sandbox_id;
  std::optional<bool> error_received;
};

struct EventBody {
  std::int64_t event_id = 0;
  std::string sandbox_id;
  TimePoint at;
  std::string type, status, actor;
  std::optional<std::string> detail;
};
EventBody to_body(const SandboxEvent& event);

struct EventListBody {
  std::vector<EventBody> events;
};

struct TierUsageBody {
  std::int64_t total_size_bytes = 0, total_objects = 0;
};
struct StorageUsageBody {
  TierUsageBody hot, cold;
};
struct StoredEntryBody {
  std::string path, name, type;
  std::int64_t size = 0;
  std::string mode;
  TimePoint modified_at;
  std::optional<std::string> target;
};
struct StoredFolderBody {
  std::vector<StoredEntryBody> entries;
  bool truncated = false;
  std::optional<std::string> next_cursor;
};
struct DeletedBody {
  std::int64_t deleted = 0;
};

struct HealthBody {
  std::string status = "healthy";
  std::int64_t active_sandboxes = 0;
  double uptime_seconds = 0;
};
struct ServiceBody {
  std::string service, version, docs;
};
struct DependencyBody {
  std::string name, status;
  std::optional<std::string> detail;
};
struct ReadinessBody {
  std::string status;
  std::vector<DependencyBody> dependencies;
};

struct SessionRequest {
  std::string key;
};
struct SessionBody {
  bool signed_in = false, key_needed = false;
  std::optional<std::string> csrf;
  std::string version;
  int ttl_seconds_default = 0, ttl_seconds_max = 0;
};

// Rules that several requests share.
PatternRule user_id_rule();
PatternRule user_name_rule();  // or a numeric id
PairsRule env_rule();

// What the limits of the schemas depend on.
struct MessageLimits {
  int command_chars_max = 10'000;
  int timeout_seconds_max = 600;
  int ttl_seconds_max = 86'400;
};

struct Schemas {
  explicit Schemas(const MessageLimits& limits);
  Schema<CreateSandboxRequest> create_request;
  Schema<ExtendRequest> extend_request;
  Schema<ExecRequest> exec_request;
  Schema<CompleteRequest> complete_request;
  Schema<ErrorRequest> error_request;
  Schema<SessionRequest> session_request;
};

// Those that depend on nothing.
const Schema<SandboxBody>& sandbox_schema();
const Schema<SandboxListBody>& sandbox_list_schema();
const Schema<ExecBody>& exec_schema();
const Schema<HeartbeatBody>& heartbeat_schema();
const Schema<ShutdownBody>& shutdown_schema();
const Schema<EventBody>& event_schema();
const Schema<EventListBody>& event_list_schema();
const Schema<StorageUsageBody>& storage_usage_schema();
const Schema<StoredFolderBody>& stored_folder_schema();
const Schema<DeletedBody>& deleted_schema();
const Schema<HealthBody>& health_schema();
const Schema<ServiceBody>& service_schema();
const Schema<ReadinessBody>& readiness_schema();
const Schema<SessionBody>& session_schema();

}  // namespace matrx::api
