#pragma once
// Homes, by themselves: checkpoints of those in use, saving of those that were left, and clearing
// the disk of those that nobody needs.

#include <unordered_map>
#include <unordered_set>

#include "core/driver.hpp"
#include "core/stray_homes.hpp"

namespace matrx {

class HomeLoop {
 public:
  HomeLoop(Executor executor, const CoreSettings& settings, Registry& registry, Driver& driver,
           HomeSync& homes, StrayHomes& strays, Homes& disk, Storage& storage, Store& store,
           Clock& clock)
      : settings_(settings),
        registry_(registry),
        driver_(driver),
        homes_(homes),
        strays_(strays),
        disk_(disk),
        storage_(storage),
        store_(store),
        clock_(clock),
        tasks_(executor) {}

  // What a crash, a lost answer or a registry in memory left on this disk. Once before anybody may
  // ask for a sandbox, and then by itself.
  Task<Result<void>> clear_disk();

  void start();
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

  // Homes of this host that are not saved yet, as of the last look.
  std::int64_t unsaved() const { return unsaved_ + homes_.strays(); }

  // How much work the loss of this host would cost at most, now.
  milliseconds oldest_checkpoint_age() const;

 private:
  Task<void> save_for_ever();
  Task<void> drop_stale_for_ever();
  Task<void> checkpoint_for_ever();
  Task<void> checkpoint_one(SandboxId id);
  Task<void> give_up(SandboxId id);
  Task<Result<void>> schedule_unsaved();
  Task<Result<void>> schedule_checkpoints();
  void tell_unreadable(const SandboxId& id, const Error& error);

  struct Checkpoint {
    milliseconds due{0};      // of the clock's uptime
    milliseconds done_at{0};  // the storage has the home as it was then
    bool under_way = false;
  };

  const CoreSettings& settings_;
  Registry& registry_;
  Driver& driver_;
  HomeSync& homes_;
  StrayHomes& strays_;
  Homes& disk_;
  Storage& storage_;
  Store& store_;
  Clock& clock_;
  std::unordered_map<SandboxId, Checkpoint> checkpoints_;
  std::unordered_set<SandboxId> unreadable_;  // that were told of
  std::int64_t unsaved_ = 0;
  TaskGroup tasks_;
};

}  // namespace matrx
