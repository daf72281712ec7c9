#pragma once
// Changes of a sandbox's state: compare-and-swap, validated against the state machine, logged, and
// announced. Everything in core that changes a row goes through here.

#include <functional>
#include <string>

#include "async/clock.hpp"
#include "ports/store.hpp"

namespace matrx {

// Who caused a change, for the history: "api:req-…", "agent", "loop:expiry", "loop:reconcile".
struct Actor {
  std::string text;
};

class Registry {
 public:
  Registry(Store& store, Clock& clock) : store_(store), clock_(clock) {}

  Task<Result<Sandbox>> insert(Sandbox row, Actor actor);

  // What to change, given the row as it is now. Answers whether there is anything to change.
  using Change = std::function<Result<bool>(Sandbox& row, NewEvent& event)>;

  // Reads the row, applies the change and writes it; where somebody else was faster it reads and
  // decides again, at most kCasTriesMax times. Returns the row as it is afterwards.
  // conflict: the state machine does not allow it, or too much contention.
  Task<Result<Sandbox>> change(SandboxId id, Actor actor, Change change);

  // One try on a row that was read before. conflict: it has changed since.
  Task<Result<Sandbox>> change_once(Sandbox row, Actor actor, Change change);

  // Sandboxes that are not final; kept in memory so that GET /health never waits.
  std::int64_t active() const { return active_; }
  Task<Result<void>> recount();

 private:
  void log_change(const Sandbox& row, const NewEvent& event, Status before);

  Store& store_;
  Clock& clock_;
  std::int64_t active_ = 0;
};

}  // namespace matrx
