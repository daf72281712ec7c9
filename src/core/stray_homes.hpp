#pragma once
// Homes on this disk that no row knows: a registry in memory has forgotten them, or somebody has
// brought back an older registry. Nobody else will ever ask for them, so they are saved as they
// are, and then removed; but never one that may be in use, or that is another installation's.

#include <unordered_map>

#include "core/driver.hpp"
#include "ports/homes.hpp"

namespace matrx {

class StrayHomes {
 public:
  StrayHomes(Executor executor, const CoreSettings& settings, Driver& driver, HomeSync& homes,
             Store& store, Runtime& runtime, Clock& clock)
      : settings_(settings),
        driver_(driver),
        homes_(homes),
        store_(store),
        runtime_(runtime),
        clock_(clock),
        tasks_(executor) {}

  // All homes of this disk for which there was no row just now. Saves them in the background.
  void found(const std::vector<KeptHome>& homes);

  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

 private:
  struct Known {
    milliseconds since{0};  // of the clock's uptime, as the others
    milliseconds pause{0};
    milliseconds try_at{0};
    bool under_way = false;
    bool reported = false;
  };

  bool is_ours(const KeptHome& home) const;
  Task<void> save(KeptHome home);
  Task<Result<bool>> is_nobodys(const SandboxId& id);
  void report(const KeptHome& home, const char* what);

  const CoreSettings& settings_;
  Driver& driver_;
  HomeSync& homes_;
  Store& store_;
  Runtime& runtime_;
  Clock& clock_;
  std::unordered_map<SandboxId, Known> known_;
  TaskGroup tasks_;
};

}  // namespace matrx
