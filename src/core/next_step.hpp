#pragma once
// The one place that decides what has to be done about a sandbox. Pure: a table of tests covers it.
//
// Reconciliation, expiry, destroy and the recovery after a crash are all this function, run until
// it answers none.

#include <optional>

#include "model/sandbox.hpp"
#include "ports/runtime.hpp"

namespace matrx {

enum class Step {
  none,              // row and world agree
  abandon,           // a start that nobody carries on any more: mark it failed
  begin_expiry,      // its time is over: ask for a graceful stop
  pause,             // its processes are to stand still, and do not
  resume,            // the reverse; also so that an agent can hear that it has to end
  mark_lost,         // the container ended by itself: write that down
  tell_agent,        // a graceful stop, and there is still time
  remove_container,  // it must not exist (any more)
  save_home,         // nothing runs any more, and the home is not in the storage yet
  finish_stop,       // nothing runs in it, and nothing more can be done now: write the final state
};

// What has been tried already in this run, whether it worked or not.
struct Tried {
  bool agent_told = false;
  bool home_saved = false;
  bool removal_failed = false;  // the engine does not let go of the container
};

// row: as the store has it. container: as the engine shows it now; none = it does not exist.
Step next_step(const Sandbox& row, const std::optional<Container>& container, TimePoint now,
               const Tried& tried);

}  // namespace matrx
