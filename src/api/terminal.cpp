// WS /sandboxes/{id}/pty. Out: binary frames are what the terminal shows, text frames are JSON:
//   ready {terminal_id, pid, offset, writer}  gap {from, to}  writer {writer}  exit {exit_code}
//   error {code, detail}  pong
// In: binary frames are input, text frames are JSON:
//   input {data}  resize {cols, rows}  signal {signal}  takeover  ping
// Counting the bytes since ready.offset, and following each gap, a client knows the offset to come
// back with.

#include "api/terminal.hpp"

#include <charconv>

#include "api/api.hpp"
#include "api/decode.hpp"
#include "async/notice.hpp"
#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "http/websocket.hpp"

namespace matrx::api {

// One viewer of one terminal.
class TerminalSession {
 public:
  TerminalSession(Inside& inside, Machine& machine, TerminalSeats& seats, SandboxId id, Actor actor,
                  std::string terminal_id, bool wants_to_write)
      : inside_(inside),
        machine_(machine),
        seats_(seats),
        id_(std::move(id)),
        actor_(std::move(actor)),
        key_{.tag = terminal_id},
        seat_(id_.text() + "/" + terminal_id),
        wants_to_write_(wants_to_write) {}
  ~TerminalSession() { seats_.leave(seat_, *this); }
  TerminalSession(const TerminalSession&) = delete;

  // Until either side ends it.
  Task<void> run(http::WebSocket& socket, std::shared_ptr<ProcessEvents> events, int pid,
                 std::uint64_t offset) {
    socket_ = &socket;
    events_ = std::move(events);
    const bool writes = wants_to_write_ && seats_.take(seat_, *this, false);
    co_await tell(json::object{{"type", "ready"},
                               {"terminal_id", key_.tag},
                               {"pid", pid},
                               {"offset", offset},
                               {"writer", writes}});
    (void)co_await race(both(show(), listen()), feed());
    socket_ = nullptr;
  }

  // Somebody has taken the keyboard away.
  void lose_seat() { seat_lost_ = true; }

 private:
  Task<void> tell(json::object message) {
    const std::string text = json::serialize(message);
    (void)co_await socket_->write(true, text);
  }

  Task<void> tell_error(Error error) {
    return tell(json::object{
        {"type", "error"}, {"code", code_name(error.code)}, {"detail", error.message}});
  }

  // Terminal → viewer.
  Task<void> show() {
    SystemClock clock;
    for (bool over = false; !over;) {
      const auto next = co_await with_deadline(clock, kSeatPoll, events_->next());
      if (std::exchange(seat_lost_, false)) {
        co_await tell(json::object{{"type", "writer"}, {"writer", false}});
      }
      if (!next) continue;
      if (!*next) {
        if (!closing_) co_await tell_error(co_await inside_.explain(id_, next->error(), actor_));
        break;
      }
      const std::optional<ProcessEvent>& event = **next;
      if (!event) break;
      over = !co_await pass_on(*event);
    }
    closing_ = true;
    co_await socket_->close(kNormalClosure, {});
  }

  // False: nothing will follow.
  Task<bool> pass_on(const ProcessEvent& event) {
    switch (event.kind) {
      case ProcessEvent::Kind::data:
        co_return (co_await socket_->write(false, event.bytes)).has_value();
      case ProcessEvent::Kind::gap:
        co_await tell(
            json::object{{"type", "gap"}, {"from", event.lost_from}, {"to", event.offset}});
        co_return true;
      case ProcessEvent::Kind::end:
        co_await tell(json::object{{"type", "exit"}, {"exit_code", event.end.exit_code}});
        co_return false;
      default:
        co_return true;
    }
  }

  // Viewer → terminal.
  Task<void> listen() {
    for (;;) {
      const auto read = co_await socket_->read();
      if (!read) break;
      const std::optional<http::WebSocketMessage>& message = *read;
      if (!message) break;
      const auto done =
          message->is_text ? co_await obey(message->bytes) : co_await input(message->bytes);
      if (!done) co_await tell_error(done.error());
    }
    closing_ = true;
    // What was typed before leaving is meant to arrive.
    SystemClock clock;
    const Patience patience(clock, kLastInputDeadline);
    while (!is_fed() && !patience.is_over()) co_await typed_changed_.wait(kSeatPoll);
    events_->close();
  }

  // What was typed → terminal, beside listen(): a program that does not read holds up neither a
  // signal nor a takeover.
  Task<void> feed() {
    for (;;) {
      while (typed_.empty()) co_await typed_changed_.wait(kSeatPoll);
      feeding_ = true;
      std::string bytes = typed_.substr(0, kTerminalMessageBytesMax);
      typed_.erase(0, bytes.size());
      typed_changed_.notify();
      const auto sent = co_await machine_.send_input(id_, key_, true, std::move(bytes));
      feeding_ = false;
      typed_changed_.notify();
      if (!sent) co_await tell_error(sent.error());
    }
  }

  bool is_fed() const { return typed_.empty() && !feeding_; }

  Task<Result<void>> obey(std::string text) {
    const auto parsed = json::parse(text);
    const json::object* message = parsed ? parsed->if_object() : nullptr;
    if (message == nullptr) co_return fail(Code::invalid, "A text frame takes a JSON object.");
    const auto type = json::text_at(*message, "type");
    if (type == "ping") {
      co_await tell(json::object{{"type", "pong"}});
      co_return Result<void>();
    }
    if (type == "takeover") {
      if (!wants_to_write_) co_return fail(Code::conflict, kOnlyLooks);
      seats_.take(seat_, *this, true);
      co_await tell(json::object{{"type", "writer"}, {"writer", true}});
      co_return Result<void>();
    }
    if (type == "input") co_return co_await input(std::string(json::text_at(*message, "data")));
    if (type == "resize") co_return co_await resize(*message);
    if (type == "signal") {
      CO_CHECK(sit());
      // Two spellings are about: signal and name.
      const auto* given = message->if_contains("signal");
      if (given == nullptr) given = message->if_contains("name");
      const auto name = given ? to_signal_name({json::serialize(*given)}) : std::nullopt;
      if (!name) co_return fail(Code::invalid, "signal takes TERM, KILL, INT, HUP or QUIT.");
      inside_.activity().touch(id_);
      co_return co_await machine_.signal_process(id_, key_, *name);
    }
    co_return fail(Code::invalid, "type takes input, resize, signal, takeover or ping.");
  }

  Task<Result<void>> input(std::string bytes) {
    CO_CHECK(sit());
    inside_.activity().touch(id_);
    while (typed_.size() >= kTerminalMessageBytesMax) co_await typed_changed_.wait(kSeatPoll);
    typed_ += bytes;
    typed_changed_.notify();
    co_return Result<void>();
  }

  Task<Result<void>> resize(const json::object& message) {
    CO_CHECK(sit());
    const auto cols = json::integer_at(message, "cols"), rows = json::integer_at(message, "rows");
    if (cols < 1 || cols > kTerminalSideMax || rows < 1 || rows > kTerminalSideMax) {
      co_return fail(Code::invalid, "cols and rows take 1 to 4096.");
    }
    const TerminalShape shape{.columns = static_cast<int>(cols), .rows = static_cast<int>(rows)};
    co_return co_await machine_.resize_terminal(id_, key_, shape);
  }

  Result<void> sit() {
    if (!wants_to_write_) return fail(Code::conflict, kOnlyLooks);
    if (seats_.take(seat_, *this, false)) return {};
    return fail(Code::conflict, "Somebody else has the keyboard of this terminal; send takeover.");
  }

  static constexpr const char* kOnlyLooks = "This viewer only looks on: it came with readonly.";
  static constexpr auto kSeatPoll = milliseconds(500);
  static constexpr auto kLastInputDeadline = milliseconds(5'000);
  static constexpr int kNormalClosure = 1000;

  Inside& inside_;
  Machine& machine_;
  TerminalSeats& seats_;
  SandboxId id_;
  Actor actor_;
  ProcessKey key_;
  std::string seat_;
  bool wants_to_write_;
  bool seat_lost_ = false, closing_ = false;
  std::string typed_;  // not sent yet
  bool feeding_ = false;
  Notice typed_changed_;
  http::WebSocket* socket_ = nullptr;
  std::shared_ptr<ProcessEvents> events_;
};

bool TerminalSeats::take(const std::string& terminal, TerminalSession& session, bool by_force) {
  TerminalSession*& writer = writers_[terminal];
  if (writer == &session) return true;
  if (writer != nullptr && !by_force) return false;
  if (writer != nullptr) writer->lose_seat();
  writer = &session;
  return true;
}

bool TerminalSeats::has(const std::string& terminal, const TerminalSession& session) const {
  const auto found = writers_.find(terminal);
  return found != writers_.end() && found->second == &session;
}

void TerminalSeats::leave(const std::string& terminal, const TerminalSession& session) {
  if (has(terminal, session)) writers_.erase(terminal);
}

Task<http::Response> Api::terminal(Context& context) {
  const auto id = sandbox_id_of(context);
  if (!id) co_return error_response(id.error(), context.request_id);
  const auto wants = http::wants_websocket(context.request);
  if (!wants) co_return error_response(wants.error(), context.request_id);
  if (!*wants) {
    auto response =
        error_response(426, Code::invalid, "This path takes a WebSocket.", context.request_id);
    response.headers.add("Upgrade", "websocket");
    co_return response;
  }
  QueryReader query(context);
  TerminalWish wish{.terminal_id = query.text("terminal").value_or(""),
                    .since = query.text("since"),
                    .read_only = query.flag("readonly", false)};
  wish.shape.columns = query.integer("cols", 80, 1, kTerminalSideMax);
  wish.shape.rows = query.integer("rows", 24, 1, kTerminalSideMax);
  wish.user = query.text("user").value_or("agent");
  wish.cwd = query.text("cwd");
  if (query.failed()) co_return query.response();
  auto opened = co_await open_terminal(*id, wish, context.actor());
  if (!opened) co_return error_response(opened.error(), context.request_id);
  auto session =
      std::make_shared<TerminalSession>(core_.inside(), core_.machine(), seats_, *id,
                                        context.actor(), opened->process_id, !wish.read_only);
  const std::shared_ptr<ProcessEvents> events = std::move(opened->events);
  co_return http::websocket_response(
      context.request, kTerminalMessageBytesMax,
      [session, events, pid = opened->pid, offset = opened->offset](http::WebSocket& socket) {
        return session->run(socket, events, pid, offset);
      });
}

// A new one, or another look at one that is there.
Task<Result<Api::Started>> Api::open_terminal(SandboxId id, TerminalWish wish, Actor actor) {
  if (wish.terminal_id.empty()) {
    ProcessStart start{.command = "/bin/sh",
                       // As a person signs in; an image without bash has sh.
                       .arguments = {"-c",
                                     "command -v bash >/dev/null && exec bash -i -l; "
                                     "exec sh -i"},
                       .is_shell = false,
                       .user = wish.user,
                       .cwd = wish.cwd,
                       .env = {{"TERM", "xterm-256color"}, {"LANG", "C.UTF-8"}},
                       .terminal = wish.shape};
    co_return co_await start_process(id, std::move(start), std::move(actor));
  }
  std::uint64_t since = 0;
  const std::string text = wish.since.value_or("0");
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), since);
  if (ec != std::errc() || end != text.data() + text.size()) {
    co_return fail(Code::invalid, "since takes the offset of a byte.");
  }
  const ProcessKey key{.tag = wish.terminal_id};
  CO_TRY(info, co_await find_process(id, key, actor));
  if (!info.has_terminal) co_return fail(Code::conflict, "This process has no terminal.");
  Started started{.process_id = wish.terminal_id};
  CO_TRY(events, co_await core_.inside().call(id, Entry::work, actor, &Machine::follow_process, key,
                                              Follow{.since = since}));
  started.events = std::move(events);
  started.pid = info.pid;
  started.offset = since;
  co_return started;
}

}  // namespace matrx::api
