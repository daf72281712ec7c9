#pragma once
// A command to run to its end, and what came of it.

#include <optional>
#include <string>

#include "model/sandbox.hpp"

namespace matrx {

struct ExecSpec {
  std::string command;                    // run by the image's shell: bash, else sh
  std::string user = "agent";             // name or uid inside the sandbox
  std::optional<std::string> cwd;         // none: where the last exec ended; at first the home
  Pairs env;                              // added to the user's login environment
  std::optional<std::string> stdin_data;  // none: /dev/null
  milliseconds timeout{30'000};
  std::size_t output_bytes_max = 0;  // of stdout, of stderr; what follows is dropped
};

struct ExecOutcome {
  int exit_code = 0;                     // 124 where the timeout ended it; 128 + n for signal n
  std::string stdout_text, stderr_text;  // valid UTF-8; other bytes became U+FFFD
  std::string cwd;                       // where the command left its shell
  milliseconds duration{0};
  bool timed_out = false;
  bool stdout_truncated = false, stderr_truncated = false;
  // While it ran, the kernel killed something in its sandbox for want of memory: most likely of
  // this command, but the kernel counts for all of them together.
  bool out_of_memory = false;
};

}  // namespace matrx
