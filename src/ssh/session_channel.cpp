#include "ssh/session_channel.hpp"

#include <algorithm>
#include <cctype>

#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx::ssh {
namespace {

constexpr int kRefused = 255;  // as ssh itself says that something is wrong with the connection

// As a person signs in; an image without bash has sh.
constexpr const char* kShell = "command -v bash >/dev/null && exec bash -i -l; exec sh -i";
constexpr const char* kCommand =
    "command -v bash >/dev/null && exec bash -c \"$1\"; exec sh -c \"$1\"";
// Where Debian, Fedora, Alpine and Arch have it.
constexpr const char* kSftp =
    "for p in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec; do "
    "[ -x $p/sftp-server ] && exec $p/sftp-server; done; "
    "echo 'matrx: this sandbox image has no sftp-server (Debian: openssh-sftp-server), which scp "
    "and sftp need' >&2; exit 127";

bool is_variable_name(std::string_view name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::ranges::all_of(name, fits);
}

TerminalShape shape_of(int columns, int rows) {
  // 0 by 0 comes from clients that have no terminal themselves.
  return {.columns = columns < 1 ? 80 : std::min(columns, kTerminalSideMax),
          .rows = rows < 1 ? 24 : std::min(rows, kTerminalSideMax)};
}

SessionChannel& to_channel(void* self) { return *static_cast<SessionChannel*>(self); }

}  // namespace

SessionChannel::SessionChannel(GatewayContext& context, Transport& transport, SandboxId id,
                               Actor actor, ssh_channel handle)
    : context_(context),
      id_(std::move(id)),
      actor_(std::move(actor)),
      channel_(transport, handle),
      start_{.command = {}, .is_shell = false} {
  start_.tag = "ssh-" + context_.random.hex(6);
  ssh_callbacks_init(&callbacks_);
  callbacks_.userdata = this;
  callbacks_.channel_pty_request_function = &on_terminal;
  callbacks_.channel_pty_window_change_function = &on_resize;
  callbacks_.channel_env_request_function = &on_environment;
  callbacks_.channel_shell_request_function = &on_shell;
  callbacks_.channel_exec_request_function = &on_command;
  callbacks_.channel_subsystem_request_function = &on_subsystem;
  callbacks_.channel_signal_function = &on_signal;
  ssh_set_channel_callbacks(handle, &callbacks_);
}

SessionChannel::~SessionChannel() {
  ssh_remove_channel_callbacks(channel_.handle(), &callbacks_);
  if (is_running_) context_.hang_up(id_, start_.tag);
}

// --- What the client asks for --------------------------------------------------------------------

int SessionChannel::on_terminal(ssh_session, ssh_channel, const char* term, int columns, int rows,
                                int, int, void* self) {
  SessionChannel& me = to_channel(self);
  if (me.is_requested_) return -1;
  me.start_.terminal = shape_of(columns, rows);
  const std::string_view name = term == nullptr ? "" : term;
  if (!name.empty() && name.size() <= kNameCharsMax) {
    std::erase_if(me.start_.env, [](const auto& pair) { return pair.first == "TERM"; });
    me.start_.env.emplace_back("TERM", name);
  }
  return 0;
}

int SessionChannel::on_resize(ssh_session, ssh_channel, int columns, int rows, int, int,
                              void* self) {
  SessionChannel& me = to_channel(self);
  if (!me.start_.terminal) return -1;
  me.start_.terminal = shape_of(columns, rows);
  me.is_resized_ = true;
  me.told_.ring();
  return 0;
}

int SessionChannel::on_environment(ssh_session, ssh_channel, const char* name, const char* value,
                                   void* self) {
  SessionChannel& me = to_channel(self);
  const std::string_view text = value == nullptr ? "" : value;
  const bool fits = name != nullptr && is_variable_name(name) && text.size() <= kLabelCharsMax &&
                    std::string_view(name).size() <= kLabelCharsMax &&
                    me.start_.env.size() < kEnvVarsMax && !me.is_requested_;
  if (!fits) return -1;
  me.start_.env.emplace_back(name, text);
  return 0;
}

int SessionChannel::on_shell(ssh_session, ssh_channel, void* self) {
  return to_channel(self).request("/bin/sh", {"-c", kShell});
}

int SessionChannel::on_command(ssh_session, ssh_channel, const char* command, void* self) {
  if (command == nullptr || std::string_view(command).size() > kSshCommandBytesMax) return -1;
  return to_channel(self).request("/bin/sh", {"-c", kCommand, "sh", command});
}

int SessionChannel::on_subsystem(ssh_session, ssh_channel, const char* name, void* self) {
  if (name == nullptr || std::string_view(name) != "sftp") return -1;
  return to_channel(self).request("/bin/sh", {"-c", kSftp});
}

void SessionChannel::on_signal(ssh_session, ssh_channel, const char* name, void* self) {
  SessionChannel& me = to_channel(self);
  if (name == nullptr || me.signals_.size() >= kSshSignalsMax) return;
  me.signals_.emplace_back(name);
  me.told_.ring();
}

int SessionChannel::request(std::string command, std::vector<std::string> arguments) {
  if (is_requested_) return -1;
  start_.command = std::move(command);
  start_.arguments = std::move(arguments);
  start_.with_stdin = !start_.terminal;
  is_requested_ = true;
  return 0;
}

// --- Its life ------------------------------------------------------------------------------------

Task<void> SessionChannel::run() {
  while (!is_requested_ && !channel_.is_closed()) co_await channel_.transport().changed(kSshWake);
  if (!is_requested_) co_return;
  if (const auto started = co_await start(); !started) {
    exit_status_ = kRefused;
    co_await tell(started.error().message);
  } else {
    co_await serve();
  }
  channel_.send_exit_status(exit_status_);
  channel_.end_writing();
  channel_.close();
}

Task<Result<void>> SessionChannel::start() {
  log::info("ssh process", {{"sandbox_id", id_.text()},
                            {"process_id", start_.tag},
                            {"terminal", start_.terminal.has_value()},
                            {"actor", actor_.text}});
  ProcessStart start = start_;
  is_resized_ = false;
  CO_TRY(events, co_await context_.core.inside().call(id_, Entry::work, actor_,
                                                      &Machine::start_process, std::move(start)));
  events_ = std::move(events);
  is_running_ = true;
  co_return Result<void>();
}

// A command keeps the sandbox busy; an open shell does only where somebody types.
Task<void> SessionChannel::serve() {
  std::optional<Activity::Hold> hold;
  if (!start_.terminal) hold.emplace(context_.core.inside().activity().hold(id_));
  (void)co_await race(talk(), obey());
}

Task<void> SessionChannel::talk() { (void)co_await race(show(), listen()); }

// Process → client.
Task<void> SessionChannel::show() {
  for (;;) {
    const auto next = co_await events_->next();
    if (!next) {
      const Error why = co_await context_.core.inside().explain(id_, next.error(), actor_);
      is_running_ = false;
      exit_status_ = kRefused;
      co_await tell(why.message);
      co_return;
    }
    const std::optional<ProcessEvent>& event = *next;
    if (!event) co_return;
    if (event->kind == ProcessEvent::Kind::end) {
      is_running_ = false;
      exit_status_ = event->end.exit_code;
      co_return;
    }
    if (event->kind != ProcessEvent::Kind::data) continue;
    const bool is_error = event->stream == OutputStream::standard_error;
    const auto stream = is_error ? Channel::Stream::error : Channel::Stream::output;
    if (!co_await channel_.write(event->bytes, stream)) co_return;
  }
}

// Client → process. Returns when the client has gone.
Task<void> SessionChannel::listen() {
  std::vector<char> buffer(kSshInputBytes);
  const ProcessKey key{.tag = start_.tag};
  Machine& machine = context_.core.machine();
  for (bool is_read = true;;) {
    const auto count = co_await channel_.read_some(buffer);
    if (!count) co_return;
    if (*count == 0) break;
    context_.core.inside().activity().touch(id_);
    if (!is_read) continue;  // as a pipe that nobody reads any more
    std::string bytes(buffer.data(), *count);
    const auto sent =
        co_await machine.send_input(id_, key, start_.terminal.has_value(), std::move(bytes));
    is_read = sent.has_value();
    if (!sent && sent.error().code == Code::timeout) co_await tell(sent.error().message);
  }
  if (!start_.terminal) (void)co_await machine.close_input(id_, key);
  while (!channel_.is_closed()) co_await channel_.transport().changed(kSshWake);
}

Task<void> SessionChannel::obey() {
  const ProcessKey key{.tag = start_.tag};
  Machine& machine = context_.core.machine();
  for (;;) {
    co_await told_.wait(kSshWake);
    if (std::exchange(is_resized_, false) && start_.terminal) {
      (void)co_await machine.resize_terminal(id_, key, *start_.terminal);
    }
    while (!signals_.empty()) {
      std::string name = std::move(signals_.front());
      signals_.pop_front();
      (void)co_await machine.signal_process(id_, key, std::move(name));
    }
  }
}

// A word of ours, beside what the process says.
Task<void> SessionChannel::tell(std::string words) {
  const std::string line = "matrx: " + words + "\r\n";
  (void)co_await channel_.write(line, Channel::Stream::error);
}

}  // namespace matrx::ssh
