#pragma once
// Streamed processes: started by one call, watched by any number of streams, living on when these
// go away.

#include <deque>

#include "agent/limits.hpp"
#include "agent/process.hpp"
#include "agent/shell.hpp"

namespace matrx::agent {

class Processes {
 public:
  Processes(Executor executor, Trees& trees, const Users& users, const SandboxSettings& settings,
            Shell& shell)
      : executor_(executor),
        trees_(trees),
        users_(users),
        settings_(settings),
        shell_(shell),
        tasks_(executor) {}

  // unauthenticated: unknown user. invalid: cwd, program, size of the terminal. exhausted: too
  // many processes or terminals. Returns the first stream on it, from its first byte on.
  Task<Result<std::unique_ptr<ProcessReader>>> start(ProcessSpec spec, bool may_skip = false);

  void kill(Process& process) { trees_.kill(process.tree_); }

  // By pid, or by tag where pid is 0; an ended one for kEndedKept. not_found.
  Result<std::shared_ptr<Process>> find(pid_t pid, std::string_view tag) const;

  // Running and lately ended ones, in the order of their starts.
  const std::list<std::shared_ptr<Process>>& all() const { return processes_; }

 private:
  using Pipe = Process::Pipe;
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Ended {
    std::shared_ptr<Process> process;
    SteadyTime at;
  };

  Result<void> check_room(const ProcessSpec& spec) const;
  Result<Command> make_command(const ProcessSpec& spec, User user) const;
  Task<void> feed(std::shared_ptr<Process> process);
  Task<void> kill_after(std::shared_ptr<Process> process, milliseconds timeout);
  Task<void> follow(std::shared_ptr<Process> process, Pipe out, Pipe err);
  void keep_ended(std::shared_ptr<Process> process);
  bool too_much_is_kept() const;
  Task<void> forget_ended();

  Executor executor_;
  Trees& trees_;
  const Users& users_;
  const SandboxSettings& settings_;
  Shell& shell_;
  RingBudget budget_{kRingsBytesMax};
  std::list<std::shared_ptr<Process>> processes_;
  std::size_t starting_ = 0, starting_terminals_ = 0;
  std::deque<Ended> ended_;  // the oldest first
  bool forgetting_ = false;
  TaskGroup tasks_;
};

}  // namespace matrx::agent
