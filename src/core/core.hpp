#pragma once
// The inside of the house: everything that is decided. Knows ports only.

#include "async/task_failures.hpp"
#include "core/cold_loop.hpp"
#include "core/commands.hpp"
#include "core/disk_watch.hpp"
#include "core/home_loop.hpp"
#include "core/lifecycle.hpp"
#include "core/loops.hpp"
#include "core/monitor.hpp"
#include "core/pausing.hpp"
#include "core/signals.hpp"
#include "core/user_storage.hpp"

namespace matrx {

class Core {
 public:
  // The references outlive the core.
  Core(Executor executor, CoreSettings settings, Store& store, Runtime& runtime, Guest& guest,
       Machine& machine, Storage& storage, Homes& homes, ColdMounts& cold, Disk& disk, Clock& clock,
       Random& random);

  // Opens registry and storage. Where one of them is away, or the disk is full, it waits until that
  // has passed: opening() says why meanwhile. What it answers with must stop the start: somebody
  // has to correct something.
  Task<Result<void>> open();
  // Nobody is let in before start(): who serves meanwhile has walls to put up, and may be told by
  // the first reconciliation that it must not start at all.
  void wait_for_start() { waits_for_start_ = true; }
  // nothing: it is open.
  const std::optional<Error>& opening() const { return opening_; }

  // One round of reconciliation, of homes and of containers. Where the engine cannot be reached,
  // the loops do it later.
  Task<Result<void>> reconcile();

  // Begins the loops.
  void start();

  // Ends the loops and background work. Sandboxes live on; a later start finds them.
  void cancel();
  Task<void> join();

  // Of one sandbox. not_found where there is no such id.
  Task<Result<Sandbox>> create(CreateSpec spec, Actor actor);
  // Whether this host has room for another sandbox, or the key has made it before: create() asks as
  // well. exhausted.
  Task<Result<void>> admit(std::optional<IdempotencyKey> key);
  const DiskTotals& disk_totals() const { return disk_watch_.totals(); }
  Task<Result<Sandbox>> get(SandboxId id) { return store_.get(id); }
  Task<Result<Sandbox>> extend(SandboxId id, seconds ttl, Actor actor) {
    return lifecycle_.extend(std::move(id), ttl, std::move(actor));
  }
  Task<Result<void>> destroy(SandboxId id, bool graceful, StopReason reason, Actor actor);
  Task<Result<ExecOutcome>> exec(SandboxId id, ExecSpec spec, Actor actor) {
    return commands_.exec(id, std::move(spec), std::move(actor));
  }
  Task<Result<std::vector<SandboxEvent>>> events(SandboxId id);
  Task<Result<Sandbox>> pause(SandboxId id, Actor actor) {
    return pausing_.pause(std::move(id), std::move(actor));
  }
  Task<Result<Sandbox>> resume(SandboxId id, Actor actor) {
    inside_.activity().touch(id);  // its idleness begins anew
    return pausing_.resume(std::move(id), std::move(actor));
  }
  // The last lines of what its first process wrote. gone, conflict: there is no container of it
  // here.
  Task<Result<std::string>> logs(SandboxId id, int lines);
  // What goes on inside.
  Inside& inside() { return inside_; }
  Machine& machine() { return machine_; }
  const Monitor& monitor() const { return monitor_; }
  Random& random() { return random_; }
  Signals& signals() { return signals_; }

  Feed& feed() { return feed_; }
  UserStorage& user_storage() { return user_storage_; }
  Caretaker& caretaker() { return caretaker_; }
  const HomeSync& home_sync() const { return home_sync_; }

  Task<Result<SandboxPage>> list(ListQuery query) { return store_.list(std::move(query)); }

  // Of this process, by the name of the task: each is a bug.
  const std::map<std::string_view, std::int64_t>& task_failures() const {
    return matrx::task_failures(executor_);
  }
  milliseconds clock_step() const { return store_.clock_step(); }

  // For health: never waits.
  std::int64_t active() const { return registry_.active(); }
  std::int64_t unsaved_homes() const { return home_loop_.unsaved(); }
  milliseconds oldest_checkpoint_age() const { return home_loop_.oldest_checkpoint_age(); }
  ColdTotals cold_totals() const { return cold_.totals(); }
  // For readiness: ok, or why not.
  Task<Result<void>> check_store();
  Task<Result<void>> check_runtime() { return runtime_.ping(); }
  Task<Result<void>> check_storage();
  const Walls& walls() const { return runtime_.walls(); }
  std::optional<double> cpus() const { return runtime_.cpus(); }

  const CoreSettings& settings() const { return settings_; }

 private:
  Task<Result<void>> open_rest();
  Task<Result<void>> open_part(int part);

  Executor executor_;
  CoreSettings settings_;
  std::optional<Error> opening_;  // why it is not open yet
  int parts_open_ = 0;
  bool waits_for_start_ = false;
  Store& store_;
  Runtime& runtime_;
  Machine& machine_;
  Random& random_;
  Storage& storage_;
  Homes& disk_;
  ColdMounts& cold_;
  Clock& clock_;
  Registry registry_;
  Hosts hosts_;
  HomeSync home_sync_;
  UserStorage user_storage_;
  Driver driver_;
  Lifecycle lifecycle_;
  Inside inside_;
  Commands commands_;
  Pausing pausing_;
  Signals signals_;
  Feed feed_;
  Caretaker caretaker_;
  StrayHomes stray_homes_;
  HomeLoop home_loop_;
  ColdLoop cold_loop_;
  Monitor monitor_;
  DiskWatch disk_watch_;
  Loops loops_;
};

}  // namespace matrx
