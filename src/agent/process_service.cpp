#include "agent/process_service.hpp"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <charconv>
#include <utility>

#include "agent/limits.hpp"
#include "base/text.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

constexpr int kSigKill = 9, kSigTerm = 15;

json::object error_object(const Error& error) {
  return {{"code", connect_code(error.code)}, {"message", error.message}};
}

http::Response stream_response(http::BodyStream stream) {
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  response.stream = std::move(stream);
  return response;
}

std::string envelope(const json::object& message) {
  return encode_envelope(0, json::serialize(message));
}

std::string end_envelope(const std::optional<Error>& error) {
  json::object end;
  if (error) end["error"] = error_object(*error);
  return encode_envelope(ConnectEnvelope::kEndOfStream, json::serialize(end));
}

// As Go words it: clients show it to people.
json::object end_event(int wait_status) {
  json::object end;
  if (WIFEXITED(wait_status)) {
    const int code = WEXITSTATUS(wait_status);
    end = {{"exitCode", code}, {"exited", true}, {"status", "exit status " + std::to_string(code)}};
    if (code != 0) end["error"] = end["status"];
  } else {
    const char* name = strsignal(WTERMSIG(wait_status));
    const std::string words = "signal: " + to_lower(name ? name : "unknown");
    end = {{"exitCode", -1}, {"exited", false}, {"status", words}, {"error", words}};
  }
  return {{"event", json::object{{"end", std::move(end)}}}};
}

json::object to_message(const ProcessEvent& event) {
  using Kind = ProcessEvent::Kind;
  if (event.kind == Kind::end) return end_event(event.wait_status);
  const char* name = event.kind == Kind::standard_output ? "stdout" : "stderr";
  return {{"event", json::object{{"data", json::object{{name, base64_encode(event.bytes)}}}}}};
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

struct StreamLimits {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  milliseconds ping;
};

StreamLimits limits_of(const http::Request& request) {
  StreamLimits limits{.deadline = {}, .ping = kPingDefault};
  if (const auto timeout = header_number(request, "Connect-Timeout-Ms", 1)) {
    limits.deadline = std::chrono::steady_clock::now() + *timeout;
  }
  if (const auto ping = header_number(request, "Keepalive-Ping-Interval", 1000)) {
    limits.ping = std::min<milliseconds>(*ping, kPingMax);
  }
  return limits;
}

// Sends events until the end, the deadline, or until nobody reads any more.
Task<void> send_events(http::BodyWriter& writer, std::shared_ptr<ProcessReader> reader,
                       StreamLimits limits) {
  const json::object begun{
      {"event", json::object{{"start", json::object{{"pid", reader->process().pid()}}}}}};
  if (!co_await writer.write(envelope(begun))) co_return;
  for (;;) {
    milliseconds patience = limits.ping;
    if (limits.deadline) {
      const auto left = *limits.deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) {
        const Error late{Code::timeout, "The deadline of the call has passed.", {}};
        (void)co_await writer.write(end_envelope(late));
        co_return;
      }
      patience = std::min(patience, std::chrono::ceil<milliseconds>(left));
    }
    const auto event = co_await reader->next(patience);
    if (!event) {
      const json::object ping{{"event", json::object{{"keepalive", json::object()}}}};
      if (!co_await writer.write(envelope(ping))) co_return;
      continue;
    }
    if (!co_await writer.write(envelope(to_message(*event)))) co_return;
    if (event->kind == ProcessEvent::Kind::end) {
      (void)co_await writer.write(end_envelope(std::nullopt));
      co_return;
    }
  }
}

// The one message of a streaming request.
Result<json::object> stream_message(const http::Request& request) {
  EnvelopeDecoder decoder(kRpcBodyBytesMax);
  decoder.append(request.body);
  TRY(message, decoder.next());
  if (!message) return fail(Code::invalid, "The request holds no complete message.");
  auto parsed = json::parse(message->text);
  if (!parsed || !parsed->is_object()) return fail(Code::invalid, "The message is not JSON.");
  return std::move(parsed->get_object());
}

// "Authorization: Basic base64(user:)"
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

Result<ProcessSpec> read_spec(const json::object& message, std::string user) {
  if (message.contains("pty") && !message.at("pty").is_null()) {
    return fail(Code::unsupported, "Terminals are not supported by this agent.");
  }
  const json::object* process = json::object_at(message, "process");
  ProcessSpec spec;
  spec.user = std::move(user);
  if (process != nullptr) spec.program = json::text_at(*process, "cmd");
  if (process == nullptr || spec.program.empty()) return fail(Code::invalid, "cmd is missing.");
  if (const json::array* args = json::array_at(*process, "args")) {
    if (args->size() > kArgumentsMax) return fail(Code::invalid, "There are too many args.");
    for (const json::value& arg : *args) {
      if (!arg.is_string()) return fail(Code::invalid, "args holds something that is no text.");
      spec.arguments.push_back(json::to_string(arg.get_string()));
    }
  }
  if (const json::object* envs = json::object_at(*process, "envs")) {
    if (envs->size() > kEnvVarsMax) return fail(Code::invalid, "There are too many envs.");
    for (const auto& member : *envs) {
      if (!member.value().is_string()) return fail(Code::invalid, "envs holds no text.");
      spec.env.emplace_back(member.key(), json::to_string(member.value().get_string()));
    }
  }
  spec.cwd = json::text_at(*process, "cwd");
  spec.tag = json::text_at(message, "tag");
  const json::value* with_stdin = message.if_contains("stdin");
  spec.with_stdin = with_stdin == nullptr || !with_stdin->is_bool() || with_stdin->get_bool();
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  if (has_nul(spec.program) || has_nul(spec.cwd) || std::ranges::any_of(spec.arguments, has_nul)) {
    return fail(Code::invalid, "A NUL character is not allowed.");
  }
  return spec;
}

Result<std::shared_ptr<Process>> select(const Processes& processes, const json::object& message) {
  const json::object* selector = json::object_at(message, "process");
  if (selector == nullptr) return fail(Code::invalid, "process is missing.");
  const auto pid = json::integer_at(*selector, "pid");
  if (!std::in_range<pid_t>(pid)) return fail(Code::not_found, "There is no such process.");
  return processes.find(static_cast<pid_t>(pid), json::text_at(*selector, "tag"));
}

Result<int> read_signal(const json::object& message) {
  const auto word = json::text_at(message, "signal");
  const auto number = json::integer_at(message, "signal");
  if (word == "SIGNAL_SIGTERM" || number == kSigTerm) return SIGTERM;
  if (word == "SIGNAL_SIGKILL" || number == kSigKill) return SIGKILL;
  return fail(Code::invalid, "signal takes SIGNAL_SIGTERM or SIGNAL_SIGKILL.");
}

}  // namespace

http::Response connect_error(const Error& error) {
  http::Response response{.status = connect_status(error.code)};
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(error_object(error));
  return response;
}

http::Response stream_error(const Error& error) {
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  response.body = end_envelope(error);
  return response;
}

Task<http::Response> ProcessService::handle(std::string_view method, http::Request& request) {
  auto body = co_await request.body_reader->read_all(kRpcBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  request.body = *std::move(body);
  if (method == "Start") co_return co_await start(request);
  if (method == "Connect") co_return co_await connect(request);
  const auto parsed = json::parse(request.body);
  if (!parsed || !parsed->is_object()) {
    co_return connect_error({Code::invalid, "The message is not JSON.", {}});
  }
  auto answer = co_await unary(method, parsed->get_object());
  if (!answer) co_return connect_error(answer.error());
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(*answer);
  co_return response;
}

Task<http::Response> ProcessService::start(const http::Request& request) {
  const auto message = stream_message(request);
  if (!message) co_return stream_error(message.error());
  auto spec = read_spec(*message, user_of(request));
  if (!spec) co_return stream_error(spec.error());
  spec->timeout = header_number(request, "Connect-Timeout-Ms", 1);
  auto begun = co_await processes_.start(*std::move(spec));
  if (!begun) co_return stream_error(begun.error());
  std::shared_ptr<ProcessReader> reader = *std::move(begun);
  const StreamLimits limits = limits_of(request);
  co_return stream_response([reader = std::move(reader), limits](http::BodyWriter& writer) {
    return send_events(writer, reader, limits);
  });
}

Task<http::Response> ProcessService::connect(const http::Request& request) {
  const auto message = stream_message(request);
  if (!message) co_return stream_error(message.error());
  auto process = select(processes_, *message);
  if (!process) co_return stream_error(process.error());
  auto reader = std::make_shared<ProcessReader>(*std::move(process));
  const StreamLimits limits = limits_of(request);
  co_return stream_response([reader = std::move(reader), limits](http::BodyWriter& writer) {
    return send_events(writer, reader, limits);
  });
}

Task<Result<json::object>> ProcessService::unary(std::string_view method,
                                                 const json::object& message) {
  if (method == "List") co_return list();
  if (method != "SendInput" && method != "CloseStdin" && method != "SendSignal") {
    co_return fail(Code::unsupported, "There is no such method.");
  }
  CO_TRY(process, select(processes_, message));
  if (process->ended()) co_return fail(Code::not_found, "The process has ended.");
  if (method == "CloseStdin") {
    process->close_input();
  } else if (method == "SendInput") {
    const json::object* input = json::object_at(message, "input");
    auto bytes = input ? base64_decode(json::text_at(*input, "stdin")) : std::nullopt;
    if (!bytes) co_return fail(Code::invalid, "input.stdin takes base64.");
    CO_CHECK(co_await process->write_input(*std::move(bytes)));
  } else {
    CO_TRY(signal, read_signal(message));
    if (signal == SIGKILL) {
      processes_.kill(*process);
    } else {
      process->tree().signal_group(signal);
    }
  }
  co_return json::object();
}

json::object ProcessService::list() const {
  json::array running;
  for (const auto& process : processes_.all()) {
    if (process->ended()) continue;
    const ProcessSpec& spec = process->spec();
    json::object envs;
    for (const auto& [name, value] : spec.env) envs[name] = value;
    json::object item{
        {"config", json::object{{"cmd", spec.program},
                                {"args", json::array(spec.arguments.begin(), spec.arguments.end())},
                                {"envs", std::move(envs)},
                                {"cwd", spec.cwd}}},
        {"pid", process->pid()}};
    if (!spec.tag.empty()) item["tag"] = spec.tag;
    running.push_back(std::move(item));
  }
  return {{"processes", std::move(running)}};
}

}  // namespace matrx::agent
