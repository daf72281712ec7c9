#pragma once
// Processes inside a sandbox, as callers see them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/sandbox.hpp"

namespace matrx {

struct TerminalShape {
  int columns = 80, rows = 24;
};

// What to start. Either a text for the image's shell, or a program with its arguments.
struct ProcessStart {
  std::string tag;      // a name of the caller's, by which it can be found again
  std::string command;  // the text, or the program
  std::vector<std::string> arguments;
  bool is_shell = true;
  bool is_exec = false;              // of a shell: where it ends, the next exec begins
  std::string user;                  // empty: the sandbox's own
  std::optional<std::string> cwd;    // none: of a shell where the last one ended, else the home
  Pairs env;                         // added to the user's login environment
  bool with_stdin = false;           // else /dev/null
  std::optional<std::string> input;  // written to it at once, and then its end
  std::optional<TerminalShape> terminal;  // with one instead of pipes
  std::optional<milliseconds> timeout;    // then the whole tree is killed, watched or not
};

// One process of a sandbox: by its tag where it has one, else by its pid.
struct ProcessKey {
  std::string tag;
  int pid = 0;
};

// How a process ended.
struct ProcessEnd {
  int exit_code = 0;  // 124 where its timeout ended it; 128 + n for signal n
  bool timed_out = false;
  bool out_of_memory = false;  // as of ExecOutcome
  std::string cwd;             // of a shell: where it was; else empty
  bool operator==(const ProcessEnd&) const = default;
};

struct ProcessInfo {
  int pid = 0;
  std::string tag;
  std::string command;  // the text, or program and arguments
  std::string cwd, user;
  bool has_terminal = false;
  std::optional<TimePoint> started_at;
  std::uint64_t output_begin = 0, output_end = 0;  // offsets of what is kept
  std::optional<ProcessEnd> end;                   // none: it is running
};

enum class OutputStream { standard_output, standard_error, terminal };

// What a process says. Offsets count the bytes of all its output, from its start.
struct ProcessEvent {
  enum class Kind { start, data, gap, quiet, end };
  Kind kind = Kind::quiet;  // quiet: it is alive, and has nothing to say
  int pid = 0;              // of start
  std::string cwd;          // of start, of a shell
  OutputStream stream = OutputStream::standard_output;  // of data
  std::string bytes;                                    // of data
  std::uint64_t lost_from = 0;  // of a gap: what is between it and offset was overwritten
  std::uint64_t offset = 0;     // where this begins; of the end: how much there ever was
  ProcessEnd end;               // of end
};

}  // namespace matrx
