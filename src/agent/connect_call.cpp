#include "agent/connect_call.hpp"

#include <algorithm>
#include <charconv>

#include "agent/limits.hpp"
#include "base/text.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

using SteadyClock = std::chrono::steady_clock;

json::object error_object(std::string_view code, std::string_view message) {
  return {{"code", code}, {"message", message}};
}

std::optional<milliseconds> header_number(const http::Request& request, std::string_view name,
                                          std::int64_t unit_ms) {
  const auto text = request.headers.get(name);
  std::int64_t number = 0;
  const auto [stopped, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || ec != std::errc() || number <= 0 || number > 1'000'000'000) {
    return std::nullopt;
  }
  return milliseconds(number * unit_ms);
}

}  // namespace

bool StreamLimits::passed() const { return deadline && *deadline <= SteadyClock::now(); }

bool StreamLimits::ping_due() const { return last_word + ping <= SteadyClock::now(); }

milliseconds StreamLimits::patience() const {
  auto until = last_word + ping;
  if (deadline) until = std::min(until, *deadline);
  const auto left = std::chrono::ceil<milliseconds>(until - SteadyClock::now());
  return std::clamp<milliseconds>(left, milliseconds(0), kHangUpLook);
}

StreamLimits limits_of(const http::Request& request) {
  StreamLimits limits{.timeout = header_number(request, "Connect-Timeout-Ms", 1),
                      .deadline = {},
                      .ping = kPingDefault};
  if (limits.timeout) limits.deadline = SteadyClock::now() + *limits.timeout;
  if (const auto ping = header_number(request, "Keepalive-Ping-Interval", 1000)) {
    limits.ping = std::min<milliseconds>(*ping, kPingMax);
  }
  return limits;
}

std::string user_of(const http::Request& request) {
  const auto header = request.headers.get("Authorization");
  constexpr std::string_view kBasic = "basic ";
  if (header.size() <= kBasic.size() ||
      !equals_ignoring_case(header.substr(0, kBasic.size()), kBasic)) {
    return {};
  }
  const auto decoded = base64_decode(trim(header.substr(kBasic.size())));
  return decoded ? decoded->substr(0, decoded->find(':')) : std::string();
}

Result<json::object> stream_message(const http::Request& request) {
  EnvelopeDecoder decoder(kRpcBodyBytesMax);
  decoder.append(request.body);
  TRY(message, decoder.next());
  if (!message) return fail(Code::invalid, "The request holds no complete message.");
  auto parsed = json::parse(message->text);
  if (!parsed || !parsed->is_object()) return fail(Code::invalid, "The message is not JSON.");
  return std::move(parsed->get_object());
}

std::string envelope(const json::object& message) {
  return encode_envelope(0, json::serialize(message));
}

std::string end_envelope(const std::optional<Error>& error) {
  json::object end;
  if (error) end["error"] = error_object(connect_code(error->code), error->message);
  return encode_envelope(ConnectEnvelope::kEndOfStream, json::serialize(end));
}

Error deadline_error() { return {Code::timeout, "The deadline of the call has passed.", {}}; }

std::optional<std::uint64_t> uint64_at(const json::object& from, std::string_view name) {
  const json::value* found = from.if_contains(name);
  if (found == nullptr) return std::nullopt;
  if (found->is_string()) {
    const auto text = json::text_at(from, name);
    std::uint64_t number = 0;
    const auto [stopped, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = ec == std::errc() && stopped == text.data() + text.size();
    return whole && !text.empty() ? std::optional(number) : std::nullopt;
  }
  boost::system::error_code ec;
  const auto number = found->to_number<std::uint64_t>(ec);
  return ec ? std::nullopt : std::optional(number);
}

http::Response json_answer(const json::object& message) {
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(message);
  return response;
}

http::Response connect_error(int status, std::string_view code, std::string_view message) {
  http::Response response = json_answer(error_object(code, message));
  response.status = status;
  return response;
}

http::Response connect_error(const Error& error) {
  return connect_error(connect_status(error.code), connect_code(error.code), error.message);
}

http::Response stream_response(http::BodyStream stream) {
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  response.stream = std::move(stream);
  return response;
}

http::Response stream_error(const Error& error) {
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  response.body = end_envelope(error);
  return response;
}

}  // namespace matrx::agent
