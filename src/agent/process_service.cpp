#include "agent/process_service.hpp"

#include <csignal>

#include "agent/connect_call.hpp"
#include "agent/limits.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

// Sends events until the end, the deadline, or until nobody reads any more.
Task<void> send_events(http::BodyWriter& writer, std::shared_ptr<ProcessReader> reader,
                       StreamWish wish, StreamLimits limits) {
  const auto begun = write_start_event(reader->process(), wish, reader->offset());
  if (!co_await writer.write(envelope(begun))) co_return;
  for (;;) {
    const auto event = co_await reader->next(limits.patience());
    // Looked at first: the end that a deadline brings about is not news, the deadline is.
    if (limits.passed()) {
      (void)co_await writer.write(end_envelope(deadline_error()));
      co_return;
    }
    if (!event && writer.is_over()) co_return;
    if (!event && !limits.ping_due()) continue;
    const auto message =
        event ? write_event(*event, reader->process(), wish) : write_keepalive_event();
    if (!co_await writer.write(envelope(message))) co_return;
    limits.spoken();
    if (event && event->kind == ProcessEvent::Kind::end) {
      (void)co_await writer.write(end_envelope(std::nullopt));
      co_return;
    }
  }
}

http::Response events_response(std::unique_ptr<ProcessReader> reader, StreamWish wish,
                               StreamLimits limits) {
  std::shared_ptr<ProcessReader> shared = std::move(reader);
  return stream_response([shared = std::move(shared), wish, limits](http::BodyWriter& writer) {
    return send_events(writer, shared, wish, limits);
  });
}

// exact: the true code, instead of the original's.
Task<Result<void>> give(Process& process, ProcessInput input, bool exact = false) {
  if (input.to_terminal != process.spec().terminal.has_value()) {
    co_return fail(Code::conflict, input.to_terminal ? "The process has no terminal."
                                                     : "The process has a terminal: use pty.");
  }
  auto written = co_await process.write_input(std::move(input.bytes));
  // As the original words it.
  if (!exact && !written && written.error().code == Code::conflict) {
    written.error().code = Code::internal;
  }
  co_return written;
}

}  // namespace

Task<http::Response> ProcessService::handle(std::string_view method, http::Request& request) {
  if (method == "StreamInput") co_return co_await stream_input(request);
  auto body = co_await request.body_reader->read_all(kRpcBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  request.body = *std::move(body);
  if (method == "Start") co_return co_await start(request);
  if (method == "Connect") co_return co_await connect(request);
  const auto parsed = json::parse(request.body);
  if (!parsed || !parsed->is_object()) {
    co_return connect_error({Code::invalid, "The message is not JSON.", {}});
  }
  const auto answer = co_await unary(method, parsed->get_object());
  if (!answer) co_return connect_error(answer.error());
  co_return json_answer(*answer);
}

Task<http::Response> ProcessService::start(const http::Request& request) {
  StreamLimits limits = limits_of(request);  // before the start: the stream's is the first
  const auto message = stream_message(request);
  if (!message) co_return stream_error(message.error());
  auto spec = read_process_spec(*message, user_of(request));
  if (!spec) co_return stream_error(spec.error());
  const auto wish = read_stream_wish(*message);
  if (!wish) co_return stream_error(wish.error());
  spec->timeout = limits.timeout;
  // Who knows offsets knows `timedOut`, too: the stream has its proper end.
  if (wish->offsets) limits.deadline.reset();
  auto reader = co_await processes_.start(*std::move(spec), wish->may_skip);
  if (!reader) co_return stream_error(reader.error());
  co_return events_response(*std::move(reader), *wish, limits);
}

Task<http::Response> ProcessService::connect(const http::Request& request) {
  const StreamLimits limits = limits_of(request);
  const auto message = stream_message(request);
  if (!message) co_return stream_error(message.error());
  const auto wish = read_stream_wish(*message);
  if (!wish) co_return stream_error(wish.error());
  auto process = select(*message);
  if (!process) co_return stream_error(process.error());
  auto reader = ProcessReader::make(*std::move(process), wish->since, wish->may_skip);
  if (!reader) co_return stream_error(reader.error());
  co_return events_response(*std::move(reader), *wish, limits);
}

// A stream of the client's: one message names the process, the others are its input.
Task<http::Response> ProcessService::stream_input(http::Request& request) {
  const auto fed = co_await feed(request);
  if (!fed) co_return stream_error(fed.error());
  http::Response response;
  response.headers.add("Content-Type", "application/connect+json");
  response.body = envelope({}) + end_envelope(std::nullopt);
  co_return response;
}

Task<Result<void>> ProcessService::feed(http::Request& request) {
  EnvelopeDecoder decoder(kRpcBodyBytesMax);
  std::shared_ptr<Process> process;
  for (;;) {
    CO_TRY(piece, co_await request.body_reader->read_some());
    if (piece.empty()) break;
    decoder.append(piece);
    for (;;) {
      CO_TRY(next, decoder.next());
      if (!next) break;
      const auto parsed = json::parse(next->text);
      if (!parsed || !parsed->is_object()) {
        co_return fail(Code::invalid, "The message is not JSON.");
      }
      const json::object& message = parsed->get_object();
      if (const json::object* start = json::object_at(message, "start")) {
        CO_TRY(found, select_running(*start));
        process = std::move(found);
      } else if (const json::object* data = json::object_at(message, "data")) {
        if (!process) co_return fail(Code::invalid, "The first message is start.");
        CO_TRY(input, read_input(*data));
        CO_CHECK(co_await give(*process, std::move(input)));
      }
    }
  }
  if (decoder.has_rest()) co_return fail(Code::invalid, "The last message is incomplete.");
  if (!process) co_return fail(Code::invalid, "No message names a process.");
  co_return Result<void>();
}

Task<Result<json::object>> ProcessService::unary(std::string_view method,
                                                 const json::object& message) {
  if (method == "List") co_return list(json::flag_at(message, "all"));
  if (method != "SendInput" && method != "CloseStdin" && method != "SendSignal" &&
      method != "Update") {
    co_return fail(Code::unsupported, "There is no such method.");
  }
  CO_TRY(process, select_running(message));
  if (method == "CloseStdin") {
    CO_CHECK(process->close_input());
  } else if (method == "SendInput") {
    CO_TRY(input, read_input(message));
    CO_CHECK(co_await give(*process, std::move(input), json::flag_at(message, "exact")));
  } else if (method == "Update") {
    const bool has_pty = message.contains("pty") && !message.at("pty").is_null();
    if (!has_pty) co_return json::object();  // nothing to change
    CO_TRY(size, read_terminal_size(message));
    CO_CHECK(process->resize(size));
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

Result<std::shared_ptr<Process>> ProcessService::select(const json::object& message) const {
  TRY(selector, read_selector(message));
  return processes_.find(selector.pid, selector.tag);
}

Result<std::shared_ptr<Process>> ProcessService::select_running(const json::object& message) const {
  TRY(process, select(message));
  if (process->ended()) return fail(Code::not_found, "The process has ended.");
  return std::move(process);
}

// all: those that have ended lately as well, and more about each.
json::object ProcessService::list(bool all) const {
  json::array listed;
  for (const auto& process : processes_.all()) {
    if (all || !process->ended()) listed.push_back(write_process(*process, all));
  }
  return {{"processes", std::move(listed)}};
}

}  // namespace matrx::agent
