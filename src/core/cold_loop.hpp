#pragma once
// Large files, by themselves: mounts that have gone are made again, those that a restart left are
// found, and those of ended sandboxes go when all was sent. What does not reach the storage is told
// in the row.

#include <unordered_set>

#include "core/driver.hpp"

namespace matrx {

class ColdLoop {
 public:
  ColdLoop(Executor executor, const CoreSettings& settings, Registry& registry, Driver& driver,
           ColdMounts& cold, Store& store, Runtime& runtime, Clock& clock)
      : settings_(settings),
        registry_(registry),
        driver_(driver),
        cold_(cold),
        store_(store),
        runtime_(runtime),
        clock_(clock),
        slots_(kColdMendsAtOnceMax),
        tasks_(executor) {}

  void start();
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

 private:
  Task<void> watch_for_ever();
  Task<void> mend(ColdMount mount);
  Task<void> compare_for_ever();
  Task<Result<void>> compare_rows();
  Task<void> attach(ColdMount mount);
  Task<void> tell(const Sandbox& row);
  Task<Result<void>> clear();
  Task<void> clear_stray(ColdMount mount);

  const CoreSettings& settings_;
  Registry& registry_;
  Driver& driver_;
  ColdMounts& cold_;
  Store& store_;
  Runtime& runtime_;
  Clock& clock_;
  Slots slots_;
  std::unordered_set<SandboxId> mending_, attaching_, clearing_;
  TaskGroup tasks_;
};

}  // namespace matrx
