#pragma once
// What the orchestrator and the guest agent say to each other beside the Connect services:
// one pair of functions for each message, used by both sides. Fuzzed.
//
//   POST /matrx/exec       {command, user, cwd?, env{}, stdin_base64?, timeout_ms,
//   output_bytes_max}
//                          → {exit_code, stdout, stderr, cwd, duration_ms, timed_out, …}
//   POST /matrx/shutdown   {grace_ms} → {}
//   POST /matrx/signals    → a stream of {id, kind, text, payload}; {} keeps it alive
//   POST /matrx/signals/reply  {id, code, message} → {}

#include <optional>
#include <string>
#include <string_view>

#include "model/exec.hpp"
#include "wire/json.hpp"

namespace matrx::guest {

std::string write_exec_request(const ExecSpec& spec);
Result<ExecSpec> read_exec_request(std::string_view body);

std::string write_exec_answer(const ExecOutcome& outcome);
// From inside a sandbox: bounded by the caller, checked here. internal: not what was agreed.
Result<ExecOutcome> read_exec_answer(std::string_view body);

std::string write_shutdown_request(milliseconds grace);
Result<milliseconds> read_shutdown_request(std::string_view body);

struct SignalMessage {
  std::int64_t id = 0;
  std::string kind, text, payload;
};
// Nothing: a keep-alive, or not what was agreed.
std::optional<SignalMessage> read_signal(std::string_view text);
std::string write_signal_reply(std::int64_t id, const Result<void>& result);

// Beside code and message, where they say resource_exhausted: it is the disk.
inline constexpr std::string_view kNoSpaceReason = "no_space";

// {"code", "message", "reason"?} of a refused call, with our code.
Error read_error(std::string_view body);

}  // namespace matrx::guest
