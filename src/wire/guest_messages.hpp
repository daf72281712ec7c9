#pragma once
// The messages between orchestrator and guest agent that are our own; both ends use this file.
// Decoders take bytes of the other side, which may be hostile: types and ranges are checked,
// unknown members are ignored.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/time.hpp"
#include "model/sandbox.hpp"

namespace matrx::guest {

inline constexpr std::string_view kHealthPath = "/health";
inline constexpr std::string_view kExecPath = "/matrx/exec";
inline constexpr std::string_view kShutdownPath = "/matrx/shutdown";
inline constexpr std::string_view kSignalsPath = "/matrx/signals";
inline constexpr std::string_view kSignalReplyPath = "/matrx/signals/reply";

struct ExecRequest {
  std::string command;
  std::string user;  // "": the image's default user
  std::optional<std::string> cwd;
  Pairs env;
  std::optional<std::string> stdin_data;  // base64 on the wire
  milliseconds timeout{30'000};
  std::size_t output_bytes_max = 0;  // of each stream
};
std::string encode(const ExecRequest& request);
Result<ExecRequest> decode_exec_request(std::string_view text);

struct ExecAnswer {
  int exit_code = 0;
  std::string stdout_text, stderr_text, cwd;
  milliseconds duration{0};
  bool timed_out = false;
  bool stdout_truncated = false, stderr_truncated = false;
};
std::string encode(const ExecAnswer& answer);
Result<ExecAnswer> decode_exec_answer(std::string_view text);

std::string encode_shutdown(milliseconds grace);
Result<milliseconds> decode_shutdown(std::string_view text);

// A signal on its way to the orchestrator. kind "" is a keepalive.
struct SignalMessage {
  std::int64_t id = 0;
  std::string kind;  // "heartbeat", "complete", "error"
  std::string text;
  std::string payload_json;  // "" where absent
};
std::string encode(const SignalMessage& message);
Result<SignalMessage> decode_signal(std::string_view text);

struct SignalReply {
  std::int64_t id = 0;
  std::string code;  // "": done; else the name of a Code
  std::string message;
};
std::string encode(const SignalReply& reply);
Result<SignalReply> decode_signal_reply(std::string_view text);

}  // namespace matrx::guest
