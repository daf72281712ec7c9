#pragma once
// Changes of a sandbox's state: compare-and-swap, validated against the state machine, logged, and
// announced. Everything in core that changes a row goes through here.

#include <functional>
#include <optional>
#include <string>

#include "core/census.hpp"
#include "ports/store.hpp"

namespace matrx {

// Who caused a change, for the history: "api:req-…", "agent", "loop:expiry", "loop:reconcile".
struct Actor {
  std::string text;
};

class Registry {
 public:
  Registry(Store& store, std::string installation, Census::Limits limits)
      : store_(store), installation_(std::move(installation)), census_(limits) {}

  // Dates the row (created, expires) and adds it; see Store::insert. exhausted: there are as many
  // sandboxes as there may be; what a key has made before is answered all the same.
  Task<Result<Inserted>> insert(Sandbox row, Actor actor, std::optional<IdempotencyKey> key);

  // What to change, given the row as it is now and the store's time. Answers whether there is
  // anything to change.
  using Change = std::function<Result<bool>(Sandbox& row, NewEvent& event, TimePoint now)>;

  // Reads the row, applies the change and writes it; where somebody else was faster it reads and
  // decides again, at most kCasTriesMax times. Returns the row as it is afterwards.
  // conflict: the state machine does not allow it, or too much contention.
  Task<Result<Sandbox>> change(SandboxId id, Actor actor, Change change);

  // One try on a row that was read before. conflict: it has changed since.
  Task<Result<Sandbox>> change_once(Sandbox row, Actor actor, Change change);

  // Writes down what has become of the home; also of a sandbox that has ended, since a home may be
  // saved later. `active` only changes the words of one that is not saved yet. The same state and
  // words again: nothing happens.
  Task<Result<Sandbox>> note_storage(SandboxId id, Actor actor, StorageState state,
                                     std::string detail);

  // Sandboxes of this installation that are not final.
  std::int64_t active() const { return census_.active(); }
  Census& census() { return census_; }
  Task<Result<void>> recount();

 private:
  void log_change(const Sandbox& row, const NewEvent& event, Status before);

  Store& store_;
  std::string installation_;
  Census census_;
};

}  // namespace matrx
