#pragma once
// Work on rows that belong to nobody in particular. On a shared store one orchestrator does it at a
// time, the one that has the lease; it would do no harm twice.

#include "core/registry.hpp"
#include "core/settings.hpp"

#include "async/clock.hpp"

namespace matrx {

class Caretaker {
 public:
  Caretaker(const CoreSettings& settings, Registry& registry, Store& store, Clock& clock)
      : settings_(settings), registry_(registry), store_(store), clock_(clock) {}

  Task<void> work_for_ever();

  // One round: forgets what ended long ago, and ends what a lost host has left behind.
  Task<Result<void>> work();

 private:
  Task<Result<void>> prune(TimePoint now);
  Task<Result<void>> end_deserted(TimePoint now);

  const CoreSettings& settings_;
  Registry& registry_;
  Store& store_;
  Clock& clock_;
};

}  // namespace matrx
