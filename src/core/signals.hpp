#pragma once
// What a sandbox's own programs say: heartbeat, complete, error. Over HTTP, or through the channel
// that we hold to each agent.

#include <unordered_map>

#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "core/driver.hpp"

namespace matrx {

class Signals {
 public:
  Signals(Executor executor, Driver& driver, Store& store, Guest& guest, Clock& clock)
      : driver_(driver), store_(store), guest_(guest), clock_(clock), tasks_(executor) {}

  // Notes it. gone: the sandbox has ended. not_found: unknown id.
  Task<Result<void>> heartbeat(SandboxId id);

  // Both begin a graceful stop and return when that is written down.
  Task<Result<void>> complete(SandboxId id, std::string result_json, Actor actor);
  Task<Result<void>> error(SandboxId id, std::string text, std::string details_json, Actor actor);

  // Listens to the sandbox's agent until it has ended. Already listening: nothing happens.
  void listen(SandboxId id);

  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

 private:
  Task<void> listen_until_ended(SandboxId id);
  // The same, as often as a sandbox likes: noted once in kHeartbeatInterval.
  Task<Result<void>> heard_beating(SandboxId id);
  Task<Result<void>> receive(SandboxId id, AgentSignal signal);
  Task<Result<void>> stop_for(SandboxId id, Driver::Stop stop, Actor actor);

  Driver& driver_;
  Store& store_;
  Guest& guest_;
  Clock& clock_;
  // Whom we listen to, and when a heartbeat of it was last noted, by the clock's uptime.
  std::unordered_map<SandboxId, std::optional<milliseconds>> listening_;
  TaskGroup tasks_;
};

}  // namespace matrx
