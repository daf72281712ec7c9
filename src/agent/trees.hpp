#pragma once
// Running commands, each with everything it ever started: a tree, owned by its supervisor.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/supervisor.hpp"
#include "agent/users.hpp"
#include "async/notice.hpp"
#include "async/task_group.hpp"
#include "base/descriptor.hpp"
#include "base/time.hpp"

namespace matrx::agent {

// What to run. The descriptors are closed here once the command has its copies.
struct Command {
  std::vector<std::string> programs;     // absolute, or found on PATH; the first that exists
  std::vector<std::string> arguments;    // from argv[0] on
  bool named_after_program = false;      // argv[0] becomes the program that was found
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<std::string> directories;  // the first that can be entered
  User user;
  Descriptor standard_input, standard_output, standard_error;
  Descriptor cwd_file;    // see kCwdFile; may be empty
  bool terminal = false;  // standard_input is one, and becomes the controlling one
};

class Tree {
 public:
  explicit Tree(Executor executor, Descriptor control);

  pid_t pid() const { return pid_; }
  int directory_index() const { return directory_index_; }

  // The wait status of the command itself, once it has ended; others of its tree may live on.
  std::optional<int> exit_status() const { return exit_status_; }
  // True once no process of it is left.
  bool gone() const { return gone_; }

  // Returns when it has happened, or after the timeout.
  Task<bool> wait_exit(milliseconds timeout);
  Task<bool> wait_gone(milliseconds timeout);

  void signal_group(int signal) { order({.kind = Order::Kind::signal_group, .signal = signal}); }
  void signal_all(int signal) { order({.kind = Order::Kind::signal_all, .signal = signal}); }

 private:
  friend class Trees;
  void kill() { order({.kind = Order::Kind::kill}); }
  void order(const Order& order);
  void take(const Report& report);

  asio::posix::stream_descriptor control_;
  Notice changed_;
  pid_t supervisor_ = -1;
  pid_t pid_ = -1;
  int directory_index_ = 0;
  bool started_ = false;
  std::optional<LaunchStep> failed_step_;
  int failed_error_ = 0;
  std::optional<int> exit_status_;
  bool gone_ = false;
};

class Trees {
 public:
  explicit Trees(Executor executor) : executor_(executor), tasks_(executor) {}

  // Starts it. invalid: no such directory, no such program, or it may not be run; the message
  // says which. exhausted: too many, or the kernel allows no more.
  Task<Result<std::shared_ptr<Tree>>> start(Command command);

  // Ends every process of the tree, whatever it has done to get away, and its supervisor too
  // where that does not do it in time.
  void kill(std::shared_ptr<Tree> tree);

  // Tells every process to end, then ends what is left after `grace`.
  Task<void> end_all(milliseconds grace);

  // Reaps supervisors and what their deaths left to us; call on SIGCHLD.
  void reap();

  std::size_t size() const { return trees_.size(); }

 private:
  Task<void> follow(std::shared_ptr<Tree> tree);
  Task<void> kill_for_sure(std::shared_ptr<Tree> tree);
  Task<void> kill_orphans();
  Result<std::shared_ptr<Tree>> fork_supervisor(const Command& command);
  Result<void> check_started(const Tree& tree, const Command& command) const;

  Executor executor_;
  std::list<std::shared_ptr<Tree>> trees_;
  TaskGroup tasks_;
};

}  // namespace matrx::agent
