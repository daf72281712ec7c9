#pragma once
// Running commands in a sandbox to their end.

#include "core/inside.hpp"

namespace matrx {

class Commands {
 public:
  Commands(Inside& inside, Guest& guest) : inside_(inside), guest_(guest) {}

  // Errors as Inside::enter; invalid: unknown user or cwd.
  Task<Result<ExecOutcome>> exec(SandboxId id, ExecSpec spec, Actor actor);

 private:
  Inside& inside_;
  Guest& guest_;
};

}  // namespace matrx
