#include "agent/signal_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/environment.hpp"
#include "agent/limits.hpp"
#include "base/ids.hpp"
#include "base/text.hpp"
#include "wire/json.hpp"

namespace matrx::agent {
namespace {

constexpr std::size_t kShownBytesMax = 200;  // of an answer that is not ours

Result<json::value> parse_word(const std::string& word, std::string_view what) {
  auto parsed = json::parse(word);
  if (parsed) return *std::move(parsed);
  return fail(Code::invalid, fmt::format("{} is JSON, like '{{\"answer\": 42}}'; strings stand in "
                                         "double quotes inside",
                                         what));
}

Result<json::object> fields_of(const std::vector<std::string>& words) {
  json::object fields;
  const std::string& kind = words[0];
  const bool is_error = kind == "error";
  const std::size_t words_max = kind == "heartbeat" ? 1 : kind == "complete" ? 2 : 3;
  if (words.size() > words_max) return fail(Code::invalid, kind + " takes fewer words");
  if (is_error && words.size() < 2) return fail(Code::invalid, "error needs a text");
  if (is_error) fields["error"] = to_valid_utf8(words[1]);
  const std::size_t at = is_error ? 2 : 1;
  if (words.size() > at) {
    const char* name = is_error ? "details" : "result";
    TRY(value, parse_word(words[at], name));
    fields[name] = std::move(value);
  }
  return fields;
}

std::string detail_of(const http::ClientResponse& answer) {
  const auto parsed = json::parse(answer.body);
  const json::object* fields = parsed ? parsed->if_object() : nullptr;
  const json::value* detail = fields ? fields->if_contains("detail") : nullptr;
  if (detail == nullptr) return to_valid_utf8(answer.body.substr(0, kShownBytesMax));
  return detail->is_string() ? std::string(detail->get_string()) : json::serialize(*detail);
}

}  // namespace

Result<SignalCommand> parse_signal_command(const std::vector<std::string>& words) {
  TRY(fields, fields_of(words));
  SignalCommand command{.kind = words[0], .body = json::serialize(fields)};
  if (command.body.size() > kSignalBodyBytesMax) {
    return fail(Code::invalid,
                fmt::format("{} bytes are too many for a signal ({} at most): write them to a file "
                            "in the home, which is saved",
                            command.body.size(), kSignalBodyBytesMax));
  }
  return command;
}

Result<SignalPlace> find_signal_place(const Pairs& environment) {
  SignalPlace place;
  place.sandbox_id = value_of(environment, "SANDBOX_ID");
  if (!SandboxId::parse(place.sandbox_id)) {
    return fail(Code::invalid, "SANDBOX_ID is not that of a sandbox: is this run in one?");
  }
  constexpr std::string_view kScheme = "http://";
  std::string_view url = value_of(environment, "ORCHESTRATOR_URL");
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.starts_with(kScheme)) {
    url.remove_prefix(kScheme.size());
    const auto colon = url.rfind(':');
    place.host = url.substr(0, colon);
    place.port = colon == std::string_view::npos ? "80" : url.substr(colon + 1);
  }
  const bool is_number = !place.port.empty() && std::ranges::all_of(place.port, [](char c) {
    return c >= '0' && c <= '9';
  });
  if (place.host.empty() || place.host.contains('/') || !is_number) {
    return fail(Code::invalid, "ORCHESTRATOR_URL is not like http://127.0.0.1:49980");
  }
  return place;
}

SignalVerdict judge_signal(std::string_view kind, int status, int failed_before) {
  // Too early, too much, or a fault of the other side.
  constexpr auto kTryAgain = std::to_array({408, 425, 429, 500, 502, 503, 504});
  constexpr int kEnded = 410;
  if (status >= 200 && status < 300) return SignalVerdict::done;
  if (status == kEnded && failed_before > 0 && kind != "heartbeat") return SignalVerdict::done;
  const bool again = std::ranges::find(kTryAgain, status) != kTryAgain.end();
  return again ? SignalVerdict::try_again : SignalVerdict::refused;
}

milliseconds signal_pause(int failed, Random& random) {
  auto pause = kSignalFirstPause;
  for (int i = 1; i < failed && pause < kSignalPauseMax; ++i) pause *= 2;
  pause = std::min(pause, kSignalPauseMax);
  std::array<unsigned char, 1> byte{};
  random.fill(byte);
  return pause - pause * byte[0] / 510;
}

Task<Result<std::string>> send_signal(SignalPlace place, SignalCommand command, Clock& clock,
                                      Random& random) {
  http::Client client(http::tcp_connector(place.host, place.port),
                      {.name = "The agent of this sandbox", .host = place.host});
  for (int failed = 0;;) {
    http::ClientRequest request{.method = http::Method::post,
                                .target = "/sandboxes/" + place.sandbox_id + "/" + command.kind,
                                .headers = {},
                                .body = command.body,
                                .deadline = kSignalTryDeadline};
    request.headers.add("Content-Type", "application/json");
    const auto answer = co_await client.send(std::move(request));
    std::string why =
        answer ? fmt::format("{}: {}", answer->status, detail_of(*answer)) : answer.error().message;
    if (answer) {
      const auto verdict = judge_signal(command.kind, answer->status, failed);
      if (verdict == SignalVerdict::done && answer->status < 300) co_return answer->body;
      if (verdict == SignalVerdict::done) {
        co_return json::serialize(
            json::object{{"status", "shutting_down"}, {"sandbox_id", place.sandbox_id}});
      }
      if (verdict == SignalVerdict::refused) co_return fail(Code::forbidden, "refused: " + why);
    }
    if (++failed == kSignalTries) {
      co_return fail(Code::unavailable, fmt::format("{} tries have failed; {}", failed, why));
    }
    co_await clock.sleep(signal_pause(failed, random));
  }
}

}  // namespace matrx::agent
