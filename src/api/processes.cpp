// Handlers of processes: exec with its output as it comes, and those that outlive their request.

#include <charconv>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "api/process_stream.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::string_view kIdPrefix = "prc-";

// By the id that we gave, else by the pid inside. not_found: it can be neither.
Result<ProcessKey> process_key_of(const Context& context) {
  const std::string& word = context.params.at(1);
  if (word.starts_with(kIdPrefix)) return ProcessKey{.tag = word};
  int pid = 0;
  const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), pid);
  if (ec == std::errc() && end == word.data() + word.size() && pid > 0) {
    return ProcessKey{.tag = {}, .pid = pid};
  }
  return fail(Code::not_found, "There is no such process.");
}

bool is(const ProcessInfo& info, const ProcessKey& key) {
  return key.tag.empty() ? info.pid == key.pid : info.tag == key.tag;
}

// An offset, as in since=; nothing: it is none.
std::optional<std::uint64_t> to_offset(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = ec == std::errc() && end == text.data() + text.size() && !text.empty();
  return is_number ? std::optional(number) : std::nullopt;
}

ProcessStart to_start(ExecRequest request) {
  ProcessStart start{.command = std::move(request.command),
                     .is_exec = true,
                     .user = std::move(request.user),
                     .cwd = std::move(request.cwd),
                     .with_stdin = request.stdin_text.has_value(),
                     .timeout = seconds(request.timeout_seconds.value_or(request.timeout))};
  if (request.env) start.env = *std::move(request.env);
  start.input = std::move(request.stdin_text);
  return start;
}

// text (default) or base64; what is wrong stays in the reader.
bool wants_base64(QueryReader& query) {
  const std::string encoding = query.text("encoding").value_or("text");
  if (encoding != "text" && encoding != "base64") {
    query.refuse("encoding", "Input should be 'text' or 'base64'", "enum");
  }
  return encoding == "base64";
}

}  // namespace

std::string Api::make_process_id() { return std::string(kIdPrefix) + random_.hex(6); }

// Starts it, and reads up to its first event: what cannot be started is an error of the request.
Task<Result<Api::Started>> Api::start_process(SandboxId id, ProcessStart start, Actor actor) {
  start.tag = make_process_id();
  Started started{.process_id = start.tag};
  log::info("process", {{"sandbox_id", id.text()},
                        {"process_id", start.tag},
                        {"run_as", start.user},
                        {"command_bytes", start.command.size()},
                        {"terminal", start.terminal.has_value()},
                        {"actor", actor.text}});
  Inside& inside = core_.inside();
  CO_TRY(events,
         co_await inside.call(id, Entry::work, actor, &Machine::start_process, std::move(start)));
  started.events = std::move(events);
  for (;;) {
    auto first = co_await started.events->next();
    if (!first) co_return std::unexpected(co_await inside.explain(id, first.error(), actor));
    const std::optional<ProcessEvent>& event = *first;
    if (!event) co_return fail(Code::internal, "The process said nothing.");
    if (event->kind != ProcessEvent::Kind::start) continue;
    started.pid = event->pid;
    started.cwd = event->cwd;
    co_return started;
  }
}

Task<http::Response> Api::exec_stream(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, schemas_.exec_request);
  if (!request) co_return std::move(request).error();
  QueryReader query(context);
  const bool as_base64 = wants_base64(query);
  if (query.failed()) co_return query.response();
  const auto begun = std::chrono::steady_clock::now();
  ProcessStart start = to_start(*std::move(request));
  auto started = co_await start_process(*id, std::move(start), context.actor());
  if (!started) co_return error_response(started.error(), context.request_id);
  auto stream = std::make_shared<ProcessStream>(core_.inside(), *id, context.actor(),
                                                std::move(started->events), as_base64,
                                                core_.inside().activity().hold(*id));
  stream->begin_with(
      sse_event("start", json::object{{"process_id", started->process_id}, {"pid", started->pid}}));
  stream->began(begun, started->cwd);
  http::Response response = sse_response();
  response.stream = [stream](http::BodyWriter& writer) { return stream->run(writer); };
  co_return response;
}

Task<http::Response> Api::create_process(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  auto request = decode_body(context, machine_schemas_.start_process);
  if (!request) co_return std::move(request).error();
  auto start = to_process_start(*std::move(request));
  if (!start) {
    co_return validation_response(
        {{{"body", "command"}, "Either command or argv is needed", "missing"}}, context.request_id);
  }
  auto started = co_await start_process(*id, *std::move(start), context.actor());
  if (!started) co_return error_response(started.error(), context.request_id);
  started->events->close();
  http::Response response = json_response(
      201,
      process_started_schema().encode({.process_id = started->process_id, .pid = started->pid}));
  response.headers.add("Location",
                       "/sandboxes/" + id->text() + "/processes/" + started->process_id);
  co_return response;
}

Task<http::Response> Api::list_processes(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto all =
      co_await core_.inside().call(*id, Entry::look, context.actor(), &Machine::list_processes);
  if (!all) co_return error_response(all.error(), context.request_id);
  ProcessListBody body;
  for (const ProcessInfo& info : *all) body.processes.push_back(to_body(info));
  co_return json_response(200, process_list_schema().encode(body));
}

Task<Result<ProcessInfo>> Api::find_process(SandboxId id, ProcessKey key, Actor actor) {
  CO_TRY(all, co_await core_.inside().call(id, Entry::look, actor, &Machine::list_processes));
  // The last one: a pid may have been given away again.
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (is(*it, key)) co_return std::move(*it);
  }
  co_return fail(Code::not_found, "There is no such process.");
}

Task<http::Response> Api::get_process(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  const auto info = co_await find_process(*id, *key, context.actor());
  if (!info) co_return error_response(info.error(), context.request_id);
  co_return json_response(200, process_schema().encode(to_body(*info)));
}

Task<http::Response> Api::process_output(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  QueryReader query(context);
  const auto accept = context.request.headers.get("Accept");
  const bool follow = query.flag("follow", accept.find("text/event-stream") != std::string::npos);
  const bool as_base64 = wants_base64(query);
  // A browser that comes back says it in its own way.
  std::string since(context.request.headers.get("Last-Event-ID"));
  if (since.empty()) since = query.text("since").value_or("0");
  const auto offset = to_offset(since);
  if (!offset) query.refuse("since", "Input should be the offset of a byte", "int_parsing");
  if (query.failed() || !offset) co_return query.response();
  if (!follow) co_return co_await plain_output(context, *id, *key, *offset);
  auto events = co_await core_.inside().call(
      *id, Entry::look, context.actor(), &Machine::follow_process, *key, Follow{.since = offset});
  if (!events) co_return error_response(events.error(), context.request_id);
  auto stream = std::make_shared<ProcessStream>(core_.inside(), *id, context.actor(),
                                                *std::move(events), as_base64);
  http::Response response = sse_response();
  response.stream = [stream](http::BodyWriter& writer) { return stream->run(writer); };
  co_return response;
}

// The very bytes from an offset to what there is now, stdout and stderr as they came.
Task<http::Response> Api::plain_output(Context& context, SandboxId id, ProcessKey key,
                                       std::uint64_t since) {
  auto opened = co_await core_.inside().call(id, Entry::look, context.actor(),
                                             &Machine::follow_process, key, Follow{.since = since});
  if (!opened) co_return error_response(opened.error(), context.request_id);
  // Behind the opening: from now on nothing is overwritten that we have not read.
  const auto info = co_await find_process(id, key, context.actor());
  if (!info) co_return error_response(info.error(), context.request_id);
  std::shared_ptr<ProcessEvents> events = *std::move(opened);
  const std::uint64_t end = info->output_end;
  std::uint64_t begin = since;
  std::string first;
  while (begin < end && first.empty()) {
    auto next = co_await events->next();
    if (!next) co_return error_response(next.error(), context.request_id);
    std::optional<ProcessEvent>& event = *next;
    if (!event || event->kind == ProcessEvent::Kind::end) break;
    if (event->kind == ProcessEvent::Kind::gap) begin = event->offset;
    if (event->kind == ProcessEvent::Kind::data) first = std::move(event->bytes);
  }
  begin = std::min(begin, std::max(end, since));
  http::Response response;
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("X-Matrx-Output-Begin", std::to_string(begin));
  response.headers.add("X-Matrx-Output-End", std::to_string(std::max(begin, end)));
  response.headers.add("X-Matrx-Running", info->end ? "false" : "true");
  response.stream_bytes = end > begin ? end - begin : 0;
  response.stream = [events, first, left = *response.stream_bytes](http::BodyWriter& writer) {
    return send_output(events, first, left, writer);
  };
  co_return response;
}

Task<void> Api::send_output(std::shared_ptr<ProcessEvents> events, std::string piece,
                            std::uint64_t left, http::BodyWriter& writer) {
  while (left > 0) {
    if (piece.size() > left) piece.resize(left);
    left -= piece.size();
    if (!piece.empty() && !co_await writer.write(piece)) co_return;
    piece.clear();
    if (left == 0) co_return;
    auto next = co_await events->next();
    // What is missing breaks the connection, so that the reader knows.
    if (!next) co_return;
    std::optional<ProcessEvent>& event = *next;
    if (!event) co_return;
    if (event->kind == ProcessEvent::Kind::data) piece = std::move(event->bytes);
  }
}

Task<http::Response> Api::process_input(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  auto request = decode_body(context, machine_schemas_.input);
  if (!request) co_return std::move(request).error();
  std::optional<std::string> bytes = std::move(request->data);
  if (request->encoding == "base64") bytes = base64_decode(*bytes);
  if (!bytes) {
    co_return validation_response({{{"body", "data"}, "Input should be base64", "base64"}},
                                  context.request_id);
  }
  const auto info = co_await find_process(*id, *key, context.actor());
  if (!info) co_return error_response(info.error(), context.request_id);
  Inside& inside = core_.inside();
  if (!bytes->empty()) {
    const auto sent = co_await inside.call(*id, Entry::work, context.actor(), &Machine::send_input,
                                           *key, info->has_terminal, *std::move(bytes));
    if (!sent) co_return error_response(sent.error(), context.request_id);
  }
  if (request->eof) {
    const auto closed =
        co_await inside.call(*id, Entry::work, context.actor(), &Machine::close_input, *key);
    if (!closed) co_return error_response(closed.error(), context.request_id);
  }
  co_return http::Response{.status = 204};
}

Task<http::Response> Api::process_signal(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  const auto request = decode_body(context, machine_schemas_.signal);
  if (!request) co_return request.error();
  const auto name = to_signal_name(request->signal);
  if (!name) {
    co_return validation_response(
        {{{"body", "signal"}, "Input should be TERM, KILL, INT, HUP, QUIT, USR1 or USR2", "enum"}},
        context.request_id);
  }
  const auto sent = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                 &Machine::signal_process, *key, *name);
  if (!sent) co_return error_response(sent.error(), context.request_id);
  co_return http::Response{.status = 204};
}

Task<http::Response> Api::process_resize(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  const auto request = decode_body(context, machine_schemas_.resize);
  if (!request) co_return request.error();
  const TerminalShape shape{.columns = request->cols, .rows = request->rows};
  const auto done = co_await core_.inside().call(*id, Entry::work, context.actor(),
                                                 &Machine::resize_terminal, *key, shape);
  if (!done) co_return error_response(done.error(), context.request_id);
  co_return http::Response{.status = 204};
}

// The whole tree; one that has ended already is success.
Task<http::Response> Api::kill_process(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto key = process_key_of(context);
  if (!key) co_return error_response(key.error(), context.request_id);
  const auto info = co_await find_process(*id, *key, context.actor());
  if (!info) co_return error_response(info.error(), context.request_id);
  if (info->end) co_return http::Response{.status = 204};
  const auto sent = co_await core_.inside().call(
      *id, Entry::work, context.actor(), &Machine::signal_process, *key, std::string("KILL"));
  if (!sent && sent.error().code != Code::not_found) {
    co_return error_response(sent.error(), context.request_id);
  }
  co_return http::Response{.status = 204};
}

}  // namespace matrx::api
