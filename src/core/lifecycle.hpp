#pragma once
// Create and destroy.

#include <optional>
#include <string>

#include "base/random.hpp"
#include "core/driver.hpp"
#include "core/hosts.hpp"

namespace matrx {

// A request for a sandbox, already validated.
struct CreateSpec {
  std::string user_id;
  std::string config_json = "{}";
  std::optional<int> ttl_seconds;
  std::string template_id = "default";
  std::string name;
  Pairs labels;
  Pairs env;  // goes into the container, is not kept in the registry
  std::optional<double> cpu;
  std::optional<std::int64_t> memory_bytes;
  int idle_timeout_seconds = 0;  // 0: none
  Egress egress = Egress::open;  // of the container, is not kept in the registry
  EgressList egress_list;        // of an allowlist
  std::optional<IdempotencyKey> idempotency_key;
};

class Lifecycle {
 public:
  Lifecycle(const CoreSettings& settings, Registry& registry, Driver& driver, Hosts& hosts,
            HomeSync& homes, Homes& disk, ColdMounts& cold, Store& store, Runtime& runtime,
            Guest& guest, Clock& clock, Random& random)
      : settings_(settings),
        registry_(registry),
        driver_(driver),
        hosts_(hosts),
        homes_(homes),
        disk_(disk),
        cold_(cold),
        store_(store),
        runtime_(runtime),
        guest_(guest),
        clock_(clock),
        random_(random),
        slots_(kDockerCreatesAtOnceMax) {}

  // Returns when commands can be run in it. What fails leaves a row `failed`, and no container.
  // With an idempotency key that was used before: the sandbox that it made, as it is now.
  // invalid: ttl over the maximum. conflict: the key was used for another request. exhausted: as
  // many sandboxes as there may be. unavailable: no engine, no memory left on its host, no image,
  // the agent does not answer, the user's home cannot be had. too_large: the home is.
  Task<Result<Sandbox>> create(CreateSpec spec, Actor actor);

  // Gives it at least `ttl` from now on; never shortens. invalid: over the maximum.
  // conflict: it is not usable yet, or its time is over. gone: it has ended.
  Task<Result<Sandbox>> extend(SandboxId id, seconds ttl, Actor actor);

  // Returns when nothing is left of it. One that has ended already is success.
  // not_found: unknown id. unavailable, timeout: the engine does not let go; the loops go on.
  Task<Result<void>> destroy(SandboxId id, bool graceful, StopReason reason, Actor actor);

 private:
  Sandbox new_row(const CreateSpec& spec);
  ContainerSpec container_spec(const Sandbox& row, const CreateSpec& spec) const;
  Task<Result<Sandbox>> bring_up(Sandbox row, ContainerSpec spec, Actor actor);
  Task<Result<Sandbox>> wait_made(Sandbox row);
  Task<Result<void>> wait_ready(SandboxId id);
  // Gives the task up when somebody has asked for the sandbox's end, or when the create has taken
  // too long. Not for calls of the engine: they go on there, whoever waits.
  template <class T>
  Task<Result<T>> unless_ended(SandboxId id, const Patience& patience, Task<Result<T>> task);
  Task<void> wait_until_ended(SandboxId id, const Patience& patience);
  Task<Result<void>> take_slot(std::optional<Slots::Slot>& slot);
  Task<void> give_up(SandboxId id, Error error, Actor actor);

  const CoreSettings& settings_;
  Registry& registry_;
  Driver& driver_;
  Hosts& hosts_;
  HomeSync& homes_;
  Homes& disk_;
  ColdMounts& cold_;
  Store& store_;
  Runtime& runtime_;
  Guest& guest_;
  Clock& clock_;
  Random& random_;
  Slots slots_;
  Turns extend_turns_;  // by sandbox
};

}  // namespace matrx
