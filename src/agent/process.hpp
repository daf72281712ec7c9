#pragma once
// One streamed process, and the streams on it.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/output_ring.hpp"
#include "agent/terminal.hpp"
#include "agent/trees.hpp"
#include "async/turns.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

// What a stream delivers, in order: data and gaps, then the end.
struct ProcessEvent {
  enum class Kind { data, gap, end };
  Kind kind = Kind::end;
  OutputKind output = OutputKind::standard_output;  // of data
  std::string bytes;                                // of data
  std::uint64_t lost_from = 0;  // of a gap: what is from here on up to `offset` is lost
  std::uint64_t offset = 0;     // where this begins; of the end: how much there ever was
  int wait_status = 0;          // of the end
};

struct ProcessSpec {
  std::string program;
  std::vector<std::string> arguments;  // without the program
  bool is_shell = false;  // program is a text for the shell, which begins where the last exec ended
  bool is_exec = false;   // where it ends, the next one begins
  Pairs env;
  std::string cwd;  // empty: the default one
  std::string tag;
  std::string user;  // empty: the default one
  bool with_stdin = true;
  std::optional<std::string> stdin_data;  // all there will be of it
  std::optional<TerminalSize> terminal;
  std::optional<milliseconds> timeout;  // then the whole tree is killed, watched or not
};

class Process;

// One stream on a process: a place in its output. A reader that does not keep up makes the process
// wait, as a pipe would; one that may skip is overtaken instead, and is told what it has lost.
// Neither grows memory.
class ProcessReader {
 public:
  // since: the first byte it wants; nothing: only what is new. invalid: that does not exist yet.
  // exhausted: too many readers.
  static Result<std::unique_ptr<ProcessReader>> make(std::shared_ptr<Process> process,
                                                     std::optional<std::uint64_t> since,
                                                     bool may_skip);
  ~ProcessReader();
  ProcessReader(const ProcessReader&) = delete;

  // The next event; nothing after the timeout. After the end nothing follows.
  Task<std::optional<ProcessEvent>> next(milliseconds timeout);
  Process& process() { return *process_; }
  std::uint64_t offset() const { return offset_; }  // of the next byte

 private:
  friend class Process;
  ProcessReader(std::shared_ptr<Process> process, std::uint64_t offset, bool may_skip);
  std::optional<ProcessEvent> take();

  std::shared_ptr<Process> process_;
  std::uint64_t offset_;
  bool may_skip_;
  bool heard_end_ = false;
};

class Process {
 public:
  Process(ProcessSpec spec, std::shared_ptr<Tree> tree, RingBudget& budget, std::string cwd);

  const ProcessSpec& spec() const { return spec_; }
  pid_t pid() const { return tree_->pid(); }
  bool ended() const { return end_.has_value(); }
  Tree& tree() { return *tree_; }
  const OutputRing& output() const { return ring_; }
  TimePoint started_at() const { return started_at_; }
  std::optional<int> wait_status() const { return end_; }  // once it has ended
  bool timed_out() const { return timed_out_; }            // ended by its own deadline
  // While it ran, the kernel killed something in the sandbox for want of memory.
  bool out_of_memory() const { return out_of_memory_; }
  const std::string& cwd() const { return cwd_; }  // where it began; of a shell's end: where it was

  // conflict: its input is closed. timeout: it does not read.
  Task<Result<void>> write_input(std::string bytes);
  // conflict: a terminal has no end of input of its own.
  Result<void> close_input();
  // conflict: it has no terminal. invalid: not a size.
  Result<void> resize(TerminalSize size);

 private:
  friend class ProcessReader;
  friend class Processes;
  using Pipe = std::shared_ptr<asio::posix::stream_descriptor>;

  Task<bool> write_all(Pipe to, std::string bytes);
  Task<void> pump(Pipe from, OutputKind kind);
  bool someone_is_behind(std::size_t count) const;
  void drop_input();
  void end(int wait_status);

  ProcessSpec spec_;
  std::shared_ptr<Tree> tree_;
  Pipe input_;  // a write under way keeps it; of a terminal: its master
  OutputRing ring_;
  std::list<ProcessReader*> readers_;
  std::optional<int> end_;
  TimePoint started_at_;
  std::string cwd_;
  Descriptor cwd_file_;      // of a shell
  std::uint64_t oom_kills_;  // before it
  bool timed_out_ = false, out_of_memory_ = false;
  bool exited_ = false;  // what is in the pipes now is the last that counts
  Slots input_turn_{1};
  Notice changed_;
};

}  // namespace matrx::agent
