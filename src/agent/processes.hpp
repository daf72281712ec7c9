#pragma once
// Streamed processes: started by one call, watched by any number of streams, living on when these
// go away.

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "agent/trees.hpp"
#include "async/turns.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

// What a stream delivers, in order: data, then the end.
struct ProcessEvent {
  enum class Kind { standard_output, standard_error, end };
  Kind kind = Kind::end;
  std::string bytes;    // of data
  int wait_status = 0;  // of the end
};

struct ProcessSpec {
  std::string program;
  std::vector<std::string> arguments;  // without the program
  Pairs env;
  std::string cwd;  // empty: the user's home
  std::string tag;
  std::string user;  // empty: the default one
  bool with_stdin = true;
  std::optional<milliseconds> timeout;  // then the whole tree is killed, watched or not
};

class Process;

// One stream on a process. What it does not take slows the process down; it never grows memory.
class ProcessReader {
 public:
  explicit ProcessReader(std::shared_ptr<Process> process);
  ~ProcessReader();
  ProcessReader(const ProcessReader&) = delete;

  // The next event; nothing after the timeout. After the end nothing follows.
  Task<std::optional<ProcessEvent>> next(milliseconds timeout);
  Process& process() { return *process_; }

 private:
  friend class Process;
  std::shared_ptr<Process> process_;
  std::deque<ProcessEvent> events_;
  std::size_t bytes_ = 0;
};

class Process {
 public:
  Process(Executor executor, ProcessSpec spec, std::shared_ptr<Tree> tree);

  const ProcessSpec& spec() const { return spec_; }
  pid_t pid() const { return tree_->pid(); }
  bool ended() const { return end_.has_value(); }
  Tree& tree() { return *tree_; }

  // conflict: its input is closed. timeout: it does not read.
  Task<Result<void>> write_input(std::string bytes);
  void close_input();

 private:
  friend class ProcessReader;
  friend class Processes;

  Task<bool> write_all(std::shared_ptr<asio::posix::stream_descriptor> to, std::string bytes);
  Task<void> pump(asio::posix::stream_descriptor& from, ProcessEvent::Kind kind);
  bool someone_is_behind() const;
  void publish(const ProcessEvent& event);

  Executor executor_;
  ProcessSpec spec_;
  std::shared_ptr<Tree> tree_;
  std::shared_ptr<asio::posix::stream_descriptor> input_;  // a write under way keeps it
  std::list<ProcessReader*> readers_;
  std::optional<int> end_;
  bool exited_ = false;  // what is in the pipes now is the last that counts
  Slots input_turn_{1};
  Notice changed_;
};

class Processes {
 public:
  Processes(Executor executor, Trees& trees, const Users& users, Pairs own_environment)
      : executor_(executor),
        trees_(trees),
        users_(users),
        environment_(std::move(own_environment)),
        tasks_(executor) {}

  // unauthenticated: unknown user. invalid: cwd or program. Returns the first stream on it.
  Task<Result<std::unique_ptr<ProcessReader>>> start(ProcessSpec spec);

  void kill(Process& process) { trees_.kill(process.tree_); }

  // By pid, or by tag where pid is 0; an ended one for kEndedKept. not_found.
  Result<std::shared_ptr<Process>> find(pid_t pid, std::string_view tag) const;

  const std::list<std::shared_ptr<Process>>& all() const { return processes_; }

 private:
  Task<void> kill_after(std::shared_ptr<Process> process, milliseconds timeout);
  Task<void> keep_until_forgotten(std::shared_ptr<Process> process,
                                  asio::posix::stream_descriptor out,
                                  asio::posix::stream_descriptor err);

  Executor executor_;
  Trees& trees_;
  const Users& users_;
  Pairs environment_;
  std::list<std::shared_ptr<Process>> processes_;
  TaskGroup tasks_;
};

}  // namespace matrx::agent
