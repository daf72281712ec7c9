#pragma once
// The messages of process.Process ⇄ values. client-contracts.md §1.7; what is our own is optional
// and ignored by other clients: `offsets` and `skip` of Start, `since`, `offsets` and `skip` of
// Connect, `offset` of an event, the event `gap {from, to}`, `shell` of a process (its cmd is a
// text for the shell; start and end tell the `cwd`), `stdinData` of Start, `all` of List, and five
// more signals.

#include "agent/process.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

// How a stream on a process is to be.
struct StreamWish {
  std::optional<std::uint64_t> since;  // the first byte; nothing: only what is new
  bool offsets = false;                // events tell their offsets, and gaps
  bool may_skip = false;               // it may be overtaken by the process
};

Result<ProcessSpec> read_process_spec(const json::object& message, std::string user);
Result<StreamWish> read_stream_wish(const json::object& message);

struct ProcessSelector {
  pid_t pid = 0;  // 0: by tag
  std::string tag;
};
Result<ProcessSelector> read_selector(const json::object& message);

struct ProcessInput {
  bool to_terminal = false;
  std::string bytes;
};
Result<ProcessInput> read_input(const json::object& message);  // {"input": {…}}

Result<int> read_signal(const json::object& message);
Result<TerminalSize> read_terminal_size(const json::object& message);  // {"pty": {"size": {…}}}

// {"event": {…}}
json::object write_start_event(const Process& process, const StreamWish& wish,
                               std::uint64_t offset);
json::object write_keepalive_event();
json::object write_event(const ProcessEvent& event, const Process& process, const StreamWish& wish);

// What was asked for.
json::object write_config(const ProcessSpec& spec);

// Of List. With details: also user, pty, startedAt, offset and begin of its output, and what its
// end would say.
json::object write_process(const Process& process, bool with_details);

}  // namespace matrx::agent
