#include "wire/guest_messages.hpp"

#include <limits>

#include "base/text.hpp"
#include "wire/json.hpp"
#include "wire/json_text.hpp"

namespace matrx::guest {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::int64_t kMillisecondsMax = 7LL * 24 * 3600 * 1000;
constexpr std::int64_t kBytesMax = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kReplyTextBytesMax = 4096;

Result<json::value> parse_object(std::string_view text) {
  TRY(parsed, json::parse(text));
  if (!parsed.is_object()) return fail(Code::invalid, "The message is not a JSON object.");
  return std::move(parsed);
}

std::unexpected<Error> wrong(std::string_view name) {
  return fail(Code::invalid, "'" + std::string(name) + "' is missing or of a wrong type.");
}

bool has_value(const json::object& from, std::string_view name) {
  const json::value* found = from.if_contains(name);
  return found != nullptr && !found->is_null();
}

Result<std::string> required_text(const json::object& from, std::string_view name) {
  const json::value* found = from.if_contains(name);
  if (found == nullptr || !found->is_string()) return wrong(name);
  return json::to_string(found->get_string());
}

Result<std::string> optional_text(const json::object& from, std::string_view name) {
  if (!has_value(from, name)) return std::string();
  return required_text(from, name);
}

Result<std::int64_t> integer_in(const json::object& from, std::string_view name,
                                std::int64_t lowest, std::int64_t highest) {
  const json::value* found = from.if_contains(name);
  if (found == nullptr || !found->is_number()) return wrong(name);
  boost::system::error_code ec;
  const auto number = found->to_number<std::int64_t>(ec);
  if (ec || number < lowest || number > highest) {
    return fail(Code::invalid, "'" + std::string(name) + "' is out of range.");
  }
  return number;
}

Result<bool> optional_flag(const json::object& from, std::string_view name) {
  if (!has_value(from, name)) return false;
  const json::value& found = from.at(name);
  if (!found.is_bool()) return wrong(name);
  return found.get_bool();
}

Result<Pairs> optional_pairs(const json::object& from, std::string_view name) {
  Pairs pairs;
  if (!has_value(from, name)) return pairs;
  const json::object* members = json::object_at(from, name);
  if (members == nullptr) return wrong(name);
  for (const auto& member : *members) {
    const auto* value = member.value().if_string();
    if (value == nullptr) return wrong(name);
    pairs.emplace_back(std::string(member.key()), json::to_string(*value));
  }
  return pairs;
}

void write_pairs(std::string& out, const Pairs& pairs) {
  json::ObjectWriter members(out);
  for (const auto& [name, value] : pairs) members.text(name, value);
  members.end();
}

// No U+0000: it would end the text early on its way through the kernel.
bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Result<void> check(const ExecRequest& request) {
  if (has_nul(request.command) || has_nul(request.cwd.value_or(""))) {
    return fail(Code::invalid, "A command and its directory may not have a NUL character.");
  }
  for (const auto& [name, value] : request.env) {
    if (name.empty() || name.find_first_of("=\0"sv) != std::string::npos || has_nul(value)) {
      return fail(Code::invalid, "'env' has a name or value that no process can have.");
    }
  }
  return {};
}

}  // namespace

std::string encode(const ExecRequest& request) {
  std::string text;
  json::ObjectWriter writer(text);
  writer.text("command", request.command).text("user", request.user);
  if (request.cwd) writer.text("cwd", *request.cwd);
  if (!request.env.empty()) write_pairs(writer.begin("env"), request.env);
  if (request.stdin_data) writer.text("stdin_base64", base64_encode(*request.stdin_data));
  writer.number("timeout_ms", request.timeout.count())
      .number("output_bytes_max", request.output_bytes_max)
      .end();
  return text;
}

Result<ExecRequest> decode_exec_request(std::string_view text) {
  TRY(parsed, parse_object(text));
  const json::object& from = parsed.get_object();
  ExecRequest request;
  TRY(command, required_text(from, "command"));
  request.command = std::move(command);
  TRY(user, optional_text(from, "user"));
  request.user = std::move(user);
  if (has_value(from, "cwd")) {
    TRY(cwd, required_text(from, "cwd"));
    request.cwd = std::move(cwd);
  }
  TRY(env, optional_pairs(from, "env"));
  request.env = std::move(env);
  if (has_value(from, "stdin_base64")) {
    TRY(encoded, required_text(from, "stdin_base64"));
    request.stdin_data = base64_decode(encoded);
    if (!request.stdin_data) return fail(Code::invalid, "'stdin_base64' is not base64.");
  }
  TRY(timeout, integer_in(from, "timeout_ms", 1, kMillisecondsMax));
  request.timeout = milliseconds(timeout);
  TRY(bytes, integer_in(from, "output_bytes_max", 0, kBytesMax));
  request.output_bytes_max = static_cast<std::size_t>(bytes);
  CHECK_OK(check(request));
  return request;
}

std::string encode(const ExecAnswer& answer) {
  std::string text;
  text.reserve(answer.stdout_text.size() + answer.stderr_text.size() + answer.cwd.size() + 256);
  json::ObjectWriter(text)
      .number("exit_code", answer.exit_code)
      .text("stdout", answer.stdout_text)
      .text("stderr", answer.stderr_text)
      .text("cwd", answer.cwd)
      .number("duration_ms", answer.duration.count())
      .flag("timed_out", answer.timed_out)
      .flag("stdout_truncated", answer.stdout_truncated)
      .flag("stderr_truncated", answer.stderr_truncated)
      .end();
  return text;
}

Result<ExecAnswer> decode_exec_answer(std::string_view text) {
  TRY(parsed, parse_object(text));
  const json::object& from = parsed.get_object();
  ExecAnswer answer;
  TRY(exit_code, integer_in(from, "exit_code", 0, 255));
  answer.exit_code = static_cast<int>(exit_code);
  TRY(out, required_text(from, "stdout"));
  answer.stdout_text = std::move(out);
  TRY(err, required_text(from, "stderr"));
  answer.stderr_text = std::move(err);
  TRY(cwd, required_text(from, "cwd"));
  answer.cwd = std::move(cwd);
  TRY(duration, integer_in(from, "duration_ms", 0, 2 * kMillisecondsMax));
  answer.duration = milliseconds(duration);
  TRY(timed_out, optional_flag(from, "timed_out"));
  answer.timed_out = timed_out;
  TRY(out_cut, optional_flag(from, "stdout_truncated"));
  answer.stdout_truncated = out_cut;
  TRY(err_cut, optional_flag(from, "stderr_truncated"));
  answer.stderr_truncated = err_cut;
  return answer;
}

std::string encode_shutdown(milliseconds grace) {
  std::string text;
  json::ObjectWriter(text).number("grace_ms", grace.count()).end();
  return text;
}

Result<milliseconds> decode_shutdown(std::string_view text) {
  TRY(parsed, parse_object(text));
  TRY(grace, integer_in(parsed.get_object(), "grace_ms", 0, kMillisecondsMax));
  return milliseconds(grace);
}

std::string encode(const SignalMessage& message) {
  if (message.kind.empty()) return "{}";
  std::string text;
  json::ObjectWriter(text)
      .number("id", message.id)
      .text("kind", message.kind)
      .text("text", message.text)
      .text("payload", message.payload_json)
      .end();
  return text;
}

Result<SignalMessage> decode_signal(std::string_view text) {
  TRY(parsed, parse_object(text));
  const json::object& from = parsed.get_object();
  SignalMessage message;
  TRY(kind, optional_text(from, "kind"));
  if (kind.empty()) return message;
  if (kind != "heartbeat" && kind != "complete" && kind != "error") return wrong("kind");
  message.kind = std::move(kind);
  TRY(id, integer_in(from, "id", 1, std::numeric_limits<std::int64_t>::max()));
  message.id = id;
  TRY(words, optional_text(from, "text"));
  message.text = std::move(words);
  TRY(payload, optional_text(from, "payload"));
  if (!payload.empty()) CHECK_OK(json::parse(payload));
  message.payload_json = std::move(payload);
  return message;
}

std::string encode(const SignalReply& reply) {
  std::string text;
  json::ObjectWriter(text)
      .number("id", reply.id)
      .text("code", reply.code)
      .text("message", to_valid_utf8(reply.message))
      .end();
  return text;
}

Result<SignalReply> decode_signal_reply(std::string_view text) {
  TRY(parsed, parse_object(text));
  const json::object& from = parsed.get_object();
  SignalReply reply;
  TRY(id, integer_in(from, "id", 1, std::numeric_limits<std::int64_t>::max()));
  reply.id = id;
  TRY(code, optional_text(from, "code"));
  TRY(message, optional_text(from, "message"));
  if (code.size() > 64 || message.size() > kReplyTextBytesMax) {
    return fail(Code::too_large, "The reply is too large.");
  }
  reply.code = std::move(code);
  reply.message = std::move(message);
  return reply;
}

}  // namespace matrx::guest
