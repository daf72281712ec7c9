#pragma once
// Sandboxes that stand still: no process of theirs runs, their memory stays, their time goes on.

#include "core/driver.hpp"
#include "core/hosts.hpp"

namespace matrx {

class Pausing {
 public:
  Pausing(Registry& registry, Driver& driver, Hosts& hosts, Store& store)
      : registry_(registry), driver_(driver), hosts_(hosts), store_(store) {}

  // Returns when it stands still, or runs again. conflict: it is as wanted already, not ready yet,
  // shutting down, or on another host. gone: it has ended. unavailable: the engine cannot; then it
  // is as it was before.
  Task<Result<Sandbox>> pause(SandboxId id, Actor actor);
  Task<Result<Sandbox>> resume(SandboxId id, Actor actor);

 private:
  Task<Result<Sandbox>> set(SandboxId id, bool paused, Actor actor);

  Registry& registry_;
  Driver& driver_;
  Hosts& hosts_;
  Store& store_;
};

}  // namespace matrx
