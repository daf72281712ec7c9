#pragma once
// A sandbox as the registry keeps it: plain values, no behaviour.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace matrx {

// creating → starting → ready → running → shutting_down → stopped | expired; failed where the
// start did not work. The last three are final. model/states.hpp has the allowed changes.
enum class Status { creating, starting, ready, running, shutting_down, stopped, failed, expired };

// Why a sandbox ended, or is about to: set together with shutting_down.
enum class StopReason { user_requested, expired, error, graceful_shutdown, admin, lost };

// Of a sandbox's home, which has to reach the storage before this host may forget it.
//   none     there is nothing to be saved: it was never ready
//   active   it is in use; the storage has it as of the last checkpoint
//   pending  the sandbox has ended and the home has not been saved yet; its host goes on trying
//   saved    the storage has it all
enum class StorageState { none, active, pending, saved };

std::string_view storage_state_name(StorageState state);
std::optional<StorageState> parse_storage_state(std::string_view name);
std::string_view status_name(Status status);
std::optional<Status> parse_status(std::string_view name);
std::string_view stop_reason_name(StopReason reason);
std::optional<StopReason> parse_stop_reason(std::string_view name);

// Named pairs in the order given.
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Resources {
  double cpu = 0;  // cores
  std::int64_t memory_bytes = 0;
  std::int64_t pids = 0;  // processes and threads
  bool operator==(const Resources&) const = default;
};

struct Sandbox {
  SandboxId id;
  std::string user_id;
  Status status = Status::creating;
  std::string container_id;  // empty until the container exists
  std::string image;
  std::string template_id;
  std::string name;  // empty: none
  Pairs labels;
  std::string config_json = "{}";  // an object, the caller's own; we only keep it
  Resources resources;
  int ttl_seconds = 0;
  std::string hot_path, cold_path;  // inside the sandbox

  TimePoint created_at, updated_at;
  TimePoint expires_at;
  std::optional<TimePoint> last_heartbeat_at;
  std::optional<TimePoint> paused_at;         // set: its processes are to stand still
  int idle_timeout_seconds = 0;               // ends it when nothing happened for so long; 0: never
  std::optional<TimePoint> last_active_at;    // as far as written down; see core/activity
  std::optional<TimePoint> stopped_at;        // set when final
  std::optional<StopReason> stop_reason;      // set from shutting_down on
  bool stop_graceful = false;                 // of a stop under way: tell the agent first
  std::optional<TimePoint> stop_deadline_at;  // of a graceful stop: when patience ends
  std::string status_detail;                  // a sentence for people: why it failed or was lost
  StorageState storage_state = StorageState::none;
  std::string
      storage_detail;  // a sentence for people: why the home is not saved, what was left out

  std::string installation;  // whose container engine it lives on
  std::int64_t version = 0;  // counts changes; compare-and-swap key
  bool operator==(const Sandbox&) const = default;
};

// A line of a sandbox's history. Appended together with the change it tells of.
struct SandboxEvent {
  std::int64_t event_id = 0;  // rises over all sandboxes of a store
  SandboxId sandbox_id;
  TimePoint at;
  std::string type;    // "created", "ready", "stopped", "agent_error", …
  std::string status;  // after it
  std::string actor;   // "api:<request id>", "agent", "loop:expiry", …
  std::string detail;  // free text, may be empty
  bool operator==(const SandboxEvent&) const = default;
};

}  // namespace matrx
