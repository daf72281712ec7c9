#include "agent/signal_relay.hpp"

#include "agent/limits.hpp"
#include "base/text.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

http::Response json_response(int status, const json::object& body) {
  http::Response response{.status = status};
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(body);
  return response;
}

http::Response error_response(int status, Code code, std::string_view detail) {
  return json_response(status, {{"detail", detail}, {"code", code_name(code)}});
}

http::Response field_error(std::string_view field, std::string_view msg, std::string_view type) {
  json::array loc{"body"};
  if (!field.empty()) loc.emplace_back(field);
  return json_response(
      422, {{"detail",
             json::array{json::object{{"loc", std::move(loc)}, {"msg", msg}, {"type", type}}}}});
}

int status_of_reply(Code code) {
  switch (code) {
    case Code::not_found:
      return 404;
    case Code::conflict:
      return 409;
    case Code::gone:
      return 410;
    case Code::invalid:
      return 400;
    default:
      return 503;
  }
}

Code code_from_name(std::string_view name) {
  for (Code code : {Code::invalid, Code::not_found, Code::conflict, Code::gone}) {
    if (code_name(code) == name) return code;
  }
  return Code::unavailable;
}

struct Target {
  std::string sandbox_id, kind;
};

// "/sandboxes/{id}/{kind}"
std::optional<Target> parse_target(std::string_view path) {
  const auto parts = split(path, '/');
  if (parts.size() != 4 || !parts[0].empty() || parts[1] != "sandboxes") return std::nullopt;
  if (parts[3] != "heartbeat" && parts[3] != "complete" && parts[3] != "error") {
    return std::nullopt;
  }
  return Target{std::string(parts[2]), std::string(parts[3])};
}

// Body → message of the stream, or the refusal.
std::expected<json::object, http::Response> make_message(const std::string& kind,
                                                         const std::string& body) {
  json::object message{{"kind", kind}, {"text", ""}, {"payload", ""}};
  if (kind == "heartbeat") return message;
  const bool may_be_empty = kind == "complete";
  const auto parsed = json::parse(may_be_empty && trim(body).empty() ? "{}" : body);
  if (!parsed) {
    return std::unexpected(field_error("", parsed.error().message, "json_invalid"));
  }
  if (!parsed->is_object()) {
    return std::unexpected(
        field_error("", "Input should be a valid dictionary or object", "dict_type"));
  }
  const json::object& fields = parsed->get_object();
  const char* payload = kind == "complete" ? "result" : "details";
  if (kind == "error") {
    const json::value* text = fields.if_contains("error");
    if (text == nullptr) return std::unexpected(field_error("error", "Field required", "missing"));
    if (!text->is_string()) {
      return std::unexpected(field_error("error", "Input should be a valid string", "string_type"));
    }
    message["text"] = text->get_string();
  }
  if (const json::value* value = fields.if_contains(payload)) {
    message["payload"] = json::serialize(*value);
  }
  return message;
}

}  // namespace

Task<http::Response> SignalRelay::handle_loopback(http::Request& request) {
  const auto target = parse_target(request.path);
  if (!target) co_return error_response(404, Code::not_found, "There is no such path.");
  if (request.method != http::Method::post) {
    co_return error_response(405, Code::invalid, "This path takes POST.");
  }
  if (target->sandbox_id != sandbox_id_) {
    co_return error_response(403, Code::forbidden, "A sandbox can speak only for itself.");
  }
  const auto body = co_await request.body_reader->read_all(kSignalBodyBytesMax);
  if (!body) {
    const bool large = body.error().code == Code::too_large;
    co_return error_response(large ? 413 : 400, body.error().code, body.error().message);
  }
  auto message = make_message(target->kind, *body);
  if (!message) co_return std::move(message).error();
  const auto delivered = co_await deliver(*std::move(message));
  if (!delivered) {
    co_return error_response(status_of_reply(delivered.error().code), delivered.error().code,
                             delivered.error().message);
  }
  if (target->kind == "heartbeat") {
    co_return json_response(200, {{"acknowledged", true}, {"sandbox_id", sandbox_id_}});
  }
  json::object answer{{"status", "shutting_down"}, {"sandbox_id", sandbox_id_}};
  if (target->kind == "error") answer["error_received"] = true;
  co_return json_response(200, answer);
}

Task<Result<void>> SignalRelay::deliver(json::object message) {
  if (waiting_.size() >= kSignalsWaitingMax) {
    co_return fail(Code::unavailable, "Too many signals are waiting for the orchestrator.");
  }
  auto signal = std::make_shared<Signal>();
  signal->id = ++last_id_;
  message["id"] = signal->id;
  signal->message = std::move(message);
  waiting_.emplace(signal->id, signal);
  unsent_.push_back(signal);
  changed_.notify();
  const auto until = std::chrono::steady_clock::now() + reply_deadline_;
  while (!signal->answered && std::chrono::steady_clock::now() < until) {
    co_await changed_.wait(
        std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now()));
  }
  waiting_.erase(signal->id);
  std::erase(unsent_, signal);
  if (!signal->answered) {
    co_return fail(Code::unavailable, "The orchestrator does not answer; try again.");
  }
  if (signal->has_error) co_return std::unexpected(signal->error);
  co_return Result<void>();
}

http::Response SignalRelay::subscribe() {
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  const std::uint64_t subscriber = ++subscriber_;
  // Sent to the one before, but not answered: said again. Core takes a signal twice.
  unsent_.clear();
  for (const auto& [id, signal] : waiting_) {
    if (!signal->answered) unsent_.push_back(signal);
  }
  changed_.notify();  // the one before sees that its time is over
  response.stream = [this, subscriber](http::BodyWriter& writer) {
    return stream(writer, subscriber);
  };
  return response;
}

void SignalRelay::stop() {
  ++subscriber_;
  changed_.notify();
}

Task<void> SignalRelay::stream(http::BodyWriter& writer, std::uint64_t subscriber) {
  // A first word, so that the orchestrator knows that it is connected.
  auto written = co_await writer.write(encode_envelope(0, "{}"));
  while (written && subscriber == subscriber_) {
    if (unsent_.empty()) {
      co_await changed_.wait(kSignalPing);
      if (unsent_.empty()) {
        if (subscriber == subscriber_) written = co_await writer.write(encode_envelope(0, "{}"));
        continue;
      }
    }
    if (subscriber != subscriber_) break;
    const auto signal = unsent_.front();
    unsent_.pop_front();
    written = co_await writer.write(encode_envelope(0, json::serialize(signal->message)));
    if (!written && !signal->answered) unsent_.push_front(signal);
  }
}

Task<http::Response> SignalRelay::handle_reply(http::Request& request) {
  const auto body = co_await request.body_reader->read_all(kSignalBodyBytesMax);
  const auto parsed = body ? json::parse(*body) : Result<json::value>(json::value());
  if (!parsed || !parsed->is_object()) {
    co_return error_response(400, Code::invalid, "The reply is not JSON.");
  }
  const json::object& reply = parsed->get_object();
  const auto found = waiting_.find(json::integer_at(reply, "id"));
  if (found != waiting_.end()) {
    Signal& signal = *found->second;
    const auto code = json::text_at(reply, "code");
    signal.has_error = !code.empty();
    signal.error = {code_from_name(code), std::string(json::text_at(reply, "message")), {}};
    signal.answered = true;
    changed_.notify();
  }
  co_return json_response(200, {});
}

}  // namespace matrx::agent
