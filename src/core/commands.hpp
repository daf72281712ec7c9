#pragma once
// Running commands in a sandbox.

#include "core/driver.hpp"
#include "core/hosts.hpp"

namespace matrx {

class Commands {
 public:
  Commands(Registry& registry, Driver& driver, Hosts& hosts, Store& store, Guest& guest,
           Clock& clock)
      : registry_(registry),
        driver_(driver),
        hosts_(hosts),
        store_(store),
        guest_(guest),
        clock_(clock) {}

  // conflict: not ready yet, shutting down, or on another host. gone: it has ended, also while the
  // command ran; the message names status and stop reason. invalid: unknown user or cwd.
  Task<Result<ExecOutcome>> exec(SandboxId id, ExecSpec spec, Actor actor);

 private:
  Task<Error> explain(SandboxId id, Error error, Actor actor);

  Registry& registry_;
  Driver& driver_;
  Hosts& hosts_;
  Store& store_;
  Guest& guest_;
  Clock& clock_;
};

// ok where commands can be run in it; otherwise conflict or gone, with the words for the caller.
Result<void> check_usable(const Sandbox& row);

}  // namespace matrx
