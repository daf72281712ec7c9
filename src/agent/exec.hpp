#pragma once
// The buffered exec: one command to its end, its output in one answer, and where it left its shell.

#include <string>

#include "agent/shell.hpp"
#include "model/exec.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

class Exec {
 public:
  Exec(Executor executor, Trees& trees, const Users& users, const SandboxSettings& settings,
       Shell& shell, std::string root = "")
      : executor_(executor),
        trees_(trees),
        users_(users),
        settings_(settings),
        shell_(shell),
        root_(std::move(root)),
        leftovers_(executor) {}

  // invalid: unknown user, or no such cwd. After spec.timeout the whole tree has been killed.
  Task<Result<ExecOutcome>> run(ExecSpec spec);

 private:
  Task<void> finish(const ExecSpec& spec, std::shared_ptr<Tree> tree, ExecOutcome& outcome);

  Executor executor_;
  Trees& trees_;
  const Users& users_;
  const SandboxSettings& settings_;
  Shell& shell_;
  std::string root_;     // of the kernel's files, for tests
  TaskGroup leftovers_;  // pipes that background processes still hold
};

}  // namespace matrx::agent
