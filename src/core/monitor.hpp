#pragma once
// Looks into this host's sandboxes at intervals: what they use, with a short history, and whether
// anything happens in them. Ends those in which nothing has happened for their idle timeout.
//
// What counts as something: a request that works inside (exec, process, files, terminal input,
// proxy), the processor (kBusyCpuCores on average), and the network (kBusyNetworkBytes). What only
// waits does not: a shell at its prompt, a server that nobody asks.

#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "async/task_group.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "core/inside.hpp"

namespace matrx {

class Monitor {
 public:
  Monitor(Executor executor, const CoreSettings& settings, Driver& driver, Inside& inside,
          Machine& machine, Store& store, Clock& clock)
      : settings_(settings),
        driver_(driver),
        inside_(inside),
        machine_(machine),
        store_(store),
        clock_(clock),
        began_(clock.uptime()),
        slots_(kSamplesAtOnceMax),
        tasks_(executor) {}

  void start() {
    tasks_.spawn_for_ever("monitor", clock_, [this] { return look_for_ever(); });
  }
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

  // Samples of the last kUsageHistory, the oldest first; of unknown sandboxes none.
  std::vector<MachineUsage> history(const SandboxId& id) const;

  // Begins one round over all sandboxes of this host.
  Task<Result<void>> look();

 private:
  struct Watched {
    std::deque<MachineUsage> samples;
    milliseconds sampled_at{0};  // uptime; 0: never
  };

  Task<void> look_for_ever();
  Task<void> look_at(Sandbox row, TimePoint now);
  Task<bool> sample(SandboxId id);  // false: it cannot be looked at
  bool is_idle(const Sandbox& row, TimePoint now) const;
  Task<void> write_activity(Sandbox row, TimePoint now);
  Task<void> end_idle(Sandbox row);
  TimePoint last_active(const Sandbox& row, TimePoint now) const;

  const CoreSettings& settings_;
  Driver& driver_;
  Inside& inside_;
  Machine& machine_;
  Store& store_;
  Clock& clock_;
  milliseconds began_;
  std::unordered_map<SandboxId, Watched> watched_;
  std::unordered_set<SandboxId> looking_;
  bool some_may_be_idle_ = true;
  milliseconds looked_at_{0};  // by the clock's uptime
  Slots slots_;
  TaskGroup tasks_;
};

}  // namespace matrx
