#pragma once
// The buffered exec: one command to its end, its output in one answer, and where it left its shell.

#include <optional>
#include <string>

#include "agent/sandbox_settings.hpp"
#include "agent/trees.hpp"
#include "model/exec.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

class Exec {
 public:
  Exec(Executor executor, Trees& trees, const Users& users, const SandboxSettings& settings)
      : executor_(executor),
        trees_(trees),
        users_(users),
        settings_(settings),
        leftovers_(executor) {}

  // invalid: unknown user, or no such cwd. After spec.timeout the whole tree has been killed.
  Task<Result<ExecOutcome>> run(ExecSpec spec);

 private:
  Result<Command> make_command(const ExecSpec& spec, const User& user) const;
  Task<void> finish(const ExecSpec& spec, std::shared_ptr<Tree> tree, ExecOutcome& outcome);

  Executor executor_;
  Trees& trees_;
  const Users& users_;
  const SandboxSettings& settings_;
  std::string last_cwd_;  // where the last exec ended; empty: none yet
  TaskGroup leftovers_;   // pipes that background processes still hold
};

}  // namespace matrx::agent
