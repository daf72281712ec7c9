#pragma once
// Brings one sandbox after the other to where its row says it should be.

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "async/task_group.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "core/home_sync.hpp"
#include "core/next_step.hpp"
#include "core/registry.hpp"
#include "core/settings.hpp"
#include "ports/cold.hpp"
#include "ports/guest.hpp"
#include "ports/runtime.hpp"

namespace matrx {

class Driver {
 public:
  Driver(Executor executor, const CoreSettings& settings, Registry& registry, Store& store,
         Runtime& runtime, Guest& guest, HomeSync& homes, ColdMounts& cold)
      : settings_(settings),
        registry_(registry),
        store_(store),
        runtime_(runtime),
        guest_(guest),
        homes_(homes),
        cold_(cold),
        slots_(kDrivesAtOnceMax),
        tasks_(executor) {}

  // Who changes the world for a sandbox holds its turn. A row may be changed without it.
  Task<Turns::Turn> take_turn(SandboxId id) { return turns_.take(id.text()); }

  // Writes the intent to end it. Does nothing where it has ended or is ending, except that an
  // impatient stop makes a graceful one impatient. Answers the row as it is now.
  struct Stop {
    bool graceful = true;
    StopReason reason = StopReason::user_requested;
    std::string event_type = {};  // default: "shutting_down"
    std::string detail = {};
    std::string status_detail = {};  // for the row; empty: as it was
    // Asked about the row as it is when it is changed; false: it goes on as it is. None: always.
    std::function<bool(const Sandbox& row, TimePoint now)> only_if = {};
  };
  Task<Result<Sandbox>> begin_stop(SandboxId id, Stop stop, Actor actor);

  // Where the registry is full, so that nobody can write anything: ends it all the same, and writes
  // that down when there is room. unavailable: that is how it is; or the engine does not let go.
  Task<Result<void>> end_unwritten(SandboxId id, Stop stop);

  // Takes the turn and applies next_step until there is nothing to do. The error is the first
  // step that did not work; the loops try again.
  Task<Result<void>> drive(SandboxId id, Actor actor);

  // The same in the background; a sandbox that waits to be driven is not queued twice.
  void schedule(SandboxId id, Actor actor);

  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

 private:
  // With slots, each step holds one, except while an agent is being waited for.
  Task<Result<void>> drive_with_turn(SandboxId id, Actor actor, Slots* slots);
  Task<Result<void>> apply(Step step, Sandbox row, const std::optional<Container>& container,
                           TimePoint now, const std::optional<Error>& stuck, Actor actor);
  Task<void> tell_stuck(const Sandbox& row, const Container& container, const Error& error,
                        Actor actor);
  Task<void> drive_scheduled(SandboxId id, Actor actor);
  Task<void> detach_cold(const Sandbox& row, milliseconds patience, Actor actor);
  void set_stop(Sandbox& row, const Stop& stop, TimePoint now) const;
  Task<Result<bool>> catch_up(const Sandbox& row, Actor actor);

  const CoreSettings& settings_;
  Registry& registry_;
  Store& store_;
  Runtime& runtime_;
  Guest& guest_;
  HomeSync& homes_;
  ColdMounts& cold_;
  Turns turns_;
  Slots slots_;
  std::unordered_set<SandboxId> scheduled_;
  std::unordered_map<SandboxId, Stop> unwritten_;  // ended, and their rows do not say so yet
  TaskGroup tasks_;
};

}  // namespace matrx
