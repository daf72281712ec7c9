#include "wire/guest_messages.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::guest {
namespace {

constexpr std::size_t kMessageCharsMax = 1000;              // of an error text that we pass on
constexpr std::int64_t kTimeoutMsMax = 24LL * 3600 * 1000;  // keeps sums of durations in range

std::unexpected<Error> not_agreed(std::string_view what) {
  return fail(Code::internal, "The guest agent sent an answer that is not understood.",
              std::string(what));
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace

std::string write_exec_request(const ExecSpec& spec) {
  json::object env;
  for (const auto& [name, value] : spec.env) env[name] = value;
  json::object message{{"command", spec.command},
                       {"user", spec.user},
                       {"env", std::move(env)},
                       {"timeout_ms", spec.timeout.count()},
                       {"output_bytes_max", spec.output_bytes_max}};
  if (spec.cwd) message["cwd"] = *spec.cwd;
  if (spec.stdin_data) message["stdin_base64"] = base64_encode(*spec.stdin_data);
  return json::serialize(message);
}

Result<ExecSpec> read_exec_request(std::string_view body) {
  TRY(parsed, json::parse(body));
  const json::object* message = parsed.if_object();
  if (message == nullptr) return fail(Code::invalid, "The request is not an object.");
  ExecSpec spec;
  spec.command = json::text_at(*message, "command");
  spec.user = json::text_at(*message, "user");
  if (message->contains("cwd")) spec.cwd = std::string(json::text_at(*message, "cwd"));
  if (const json::object* env = json::object_at(*message, "env")) {
    for (const auto& member : *env) {
      const auto* text = member.value().if_string();
      if (text == nullptr) return fail(Code::invalid, "env holds something that is no text.");
      spec.env.emplace_back(member.key(), json::to_string(*text));
    }
  }
  if (message->contains("stdin_base64")) {
    spec.stdin_data = base64_decode(json::text_at(*message, "stdin_base64"));
    if (!spec.stdin_data) return fail(Code::invalid, "stdin_base64 is not base64.");
  }
  const auto timeout_ms = json::integer_at(*message, "timeout_ms");
  const auto output_bytes = json::integer_at(*message, "output_bytes_max");
  if (timeout_ms <= 0 || output_bytes < 0) return fail(Code::invalid, "A limit is missing.");
  spec.timeout = milliseconds(std::min(timeout_ms, kTimeoutMsMax));
  spec.output_bytes_max = static_cast<std::size_t>(output_bytes);
  if (spec.command.empty() || has_nul(spec.command) || (spec.cwd && has_nul(*spec.cwd))) {
    return fail(Code::invalid, "The command is empty or holds a NUL character.");
  }
  return spec;
}

std::string write_exec_answer(const ExecOutcome& outcome) {
  return json::serialize(json::object{{"exit_code", outcome.exit_code},
                                      {"stdout", outcome.stdout_text},
                                      {"stderr", outcome.stderr_text},
                                      {"cwd", outcome.cwd},
                                      {"duration_ms", outcome.duration.count()},
                                      {"timed_out", outcome.timed_out},
                                      {"stdout_truncated", outcome.stdout_truncated},
                                      {"stderr_truncated", outcome.stderr_truncated},
                                      {"out_of_memory", outcome.out_of_memory}});
}

Result<ExecOutcome> read_exec_answer(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  if (message == nullptr || !message->contains("exit_code")) return not_agreed("exec answer");
  ExecOutcome outcome;
  outcome.exit_code = static_cast<int>(json::integer_at(*message, "exit_code") & 0x1FF);
  outcome.stdout_text = json::text_at(*message, "stdout");
  outcome.stderr_text = json::text_at(*message, "stderr");
  outcome.cwd = json::text_at(*message, "cwd");
  outcome.duration = milliseconds(json::integer_at(*message, "duration_ms"));
  outcome.timed_out = json::flag_at(*message, "timed_out");
  outcome.stdout_truncated = json::flag_at(*message, "stdout_truncated");
  outcome.stderr_truncated = json::flag_at(*message, "stderr_truncated");
  outcome.out_of_memory = json::flag_at(*message, "out_of_memory");
  return outcome;
}

std::string write_shutdown_request(milliseconds grace) {
  return json::serialize(json::object{{"grace_ms", std::max<std::int64_t>(grace.count(), 0)}});
}

Result<milliseconds> read_shutdown_request(std::string_view body) {
  TRY(parsed, json::parse(body));
  const json::object* message = parsed.if_object();
  const auto grace_ms = message ? json::integer_at(*message, "grace_ms", -1) : -1;
  if (grace_ms < 0) return fail(Code::invalid, "grace_ms is missing.");
  return milliseconds(std::min(grace_ms, kTimeoutMsMax));
}

std::optional<SignalMessage> read_signal(std::string_view text) {
  const auto parsed = json::parse(text);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  if (message == nullptr || !message->contains("kind")) return std::nullopt;
  return SignalMessage{.id = json::integer_at(*message, "id"),
                       .kind = std::string(json::text_at(*message, "kind")),
                       .text = std::string(json::text_at(*message, "text")),
                       .payload = std::string(json::text_at(*message, "payload"))};
}

std::string write_signal_reply(std::int64_t id, const Result<void>& result) {
  return json::serialize(
      json::object{{"id", id},
                   {"code", result ? std::string_view() : code_name(result.error().code)},
                   {"message", result ? std::string() : result.error().message}});
}

Error read_error(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  if (message == nullptr) return not_agreed("error").error();
  std::string text(json::text_at(*message, "message").substr(0, kMessageCharsMax));
  const bool no_space = json::text_at(*message, "reason") == kNoSpaceReason;
  const Code code = no_space ? Code::too_large : code_from_connect(json::text_at(*message, "code"));
  return {code, to_valid_utf8(std::move(text)), {}};
}

}  // namespace matrx::guest
