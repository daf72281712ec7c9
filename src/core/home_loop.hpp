#pragma once
// Homes, by themselves: checkpoints of those in use, saving of those that were left, and clearing
// the disk of those that nobody needs.

#include <unordered_map>
#include <unordered_set>

#include "core/driver.hpp"

namespace matrx {

class HomeLoop {
 public:
  HomeLoop(Executor executor, const CoreSettings& settings, Registry& registry, Driver& driver,
           HomeSync& homes, Homes& disk, ColdMounts& cold, Store& store, Clock& clock)
      : settings_(settings),
        registry_(registry),
        driver_(driver),
        homes_(homes),
        disk_(disk),
        cold_(cold),
        store_(store),
        clock_(clock),
        tasks_(executor) {}

  void start();
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

  // Homes of this host that are not saved yet, as of the last look.
  std::int64_t unsaved() const { return unsaved_; }

 private:
  Task<void> save_for_ever();
  Task<void> checkpoint_for_ever();
  Task<void> checkpoint_one(SandboxId id);
  Task<Result<void>> schedule_unsaved();
  Task<Result<void>> schedule_checkpoints();
  Task<Result<void>> clear_disk();

  struct Checkpoint {
    milliseconds due{0};  // of the clock's uptime
    bool under_way = false;
    bool failed = false;
  };

  const CoreSettings& settings_;
  Registry& registry_;
  Driver& driver_;
  HomeSync& homes_;
  Homes& disk_;
  ColdMounts& cold_;
  Store& store_;
  Clock& clock_;
  std::unordered_map<SandboxId, Checkpoint> checkpoints_;
  std::unordered_set<SandboxId> strangers_;  // homes without a row, that were reported
  std::int64_t unsaved_ = 0;
  TaskGroup tasks_;
};

}  // namespace matrx
