#include "ssh/connection.hpp"

#include <boost/asio/post.hpp>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "ssh/forward.hpp"

namespace matrx::ssh {
namespace {

constexpr std::size_t kOwnTasks = 3;

Connection& to_connection(void* self) { return *static_cast<Connection*>(self); }

}  // namespace

Connection::Connection(Executor executor, GatewayContext& context, const AccessKeys& keys,
                       Count count, SessionHandle session, int watched, Peer peer)
    : context_(context),
      keys_(keys),
      count_(std::move(count)),
      peer_(std::move(peer)),
      name_("ssh-" + context.random.hex(6)),
      transport_(executor, std::move(session), watched),
      since_(context.clock.uptime()),
      tasks_(executor) {
  ssh_callbacks_init(&callbacks_);
  callbacks_.userdata = this;
  callbacks_.auth_pubkey_function = &on_key;
  callbacks_.channel_open_request_session_function = &on_session;
  ssh_set_server_callbacks(transport_.session(), &callbacks_);
  ssh_set_message_callback(transport_.session(), &on_message, this);
  ssh_set_auth_methods(transport_.session(), SSH_AUTH_METHOD_PUBLICKEY);
}

// --- What the client asks for; the library calls these from within its turns ---------------------

int Connection::on_key(ssh_session, const char* user, ssh_key key, char state, void* self) {
  return to_connection(self).check_key(user, key, state);
}

ssh_channel Connection::on_session(ssh_session, void* self) {
  return to_connection(self).open_session();
}

// What the callbacks above do not take. 1: the library refuses.
int Connection::on_message(ssh_session, ssh_message message, void* self) {
  Connection& me = to_connection(self);
  const int type = ssh_message_type(message), subtype = ssh_message_subtype(message);
  if (type == SSH_REQUEST_AUTH && subtype != SSH_AUTH_METHOD_NONE) {
    me.refuse_key("another way than a key");
  }
  const bool is_forward = type == SSH_REQUEST_CHANNEL_OPEN && subtype == SSH_CHANNEL_DIRECT_TCPIP;
  return is_forward && me.open_forward(message) ? 0 : 1;
}

int Connection::check_key(const char* user, ssh_key key, char state) {
  if (sandbox_ || transport_.is_over() || user == nullptr || key == nullptr) return SSH_AUTH_DENIED;
  const auto id = keys_.check(user, key, context_.clock.now());
  if (!id) return refuse_key(id.error().internal);
  if (state == SSH_PUBLICKEY_STATE_NONE) return SSH_AUTH_SUCCESS;  // it may go on and sign
  if (state != SSH_PUBLICKEY_STATE_VALID) return refuse_key("a signature that is wrong");
  if (tries_ >= kSshKeyTriesMax) return SSH_AUTH_DENIED;
  if (count_(*id) >= kSshConnectionsOfSandboxMax) return refuse_key("too many into one sandbox");
  sandbox_ = *id;
  log::info("ssh session opened",
            {{"sandbox_id", id->text()}, {"request_id", name_}, {"remote", peer_.address}});
  return SSH_AUTH_SUCCESS;
}

int Connection::refuse_key(std::string_view why) {
  ++tries_;
  log::info("ssh key refused", {{"request_id", name_}, {"remote", peer_.address}, {"reason", why}});
  return SSH_AUTH_DENIED;
}

ssh_channel Connection::open_session() {
  if (!sandbox_ || !may_open_channel()) return nullptr;
  ssh_channel handle = ssh_channel_new(transport_.session());
  if (handle == nullptr) return nullptr;
  auto channel = std::make_shared<SessionChannel>(context_, transport_, *sandbox_,
                                                  Actor{"ssh " + name_}, handle);
  tasks_.spawn("ssh channel", run_session(std::move(channel)));
  return handle;
}

bool Connection::open_forward(ssh_message message) {
  const char* host = ssh_message_channel_request_open_destination(message);
  const int port = ssh_message_channel_request_open_destination_port(message);
  if (!sandbox_ || !may_open_channel() || host == nullptr || !is_loopback_name(host) || port < 1 ||
      port > 65535) {
    return false;
  }
  ssh_channel handle = ssh_message_channel_request_open_reply_accept(message);
  if (handle == nullptr) return false;
  tasks_.spawn("ssh forward",
               run_port(*sandbox_, std::make_shared<Channel>(transport_, handle), port));
  return true;
}

void Connection::drop() {
  dropped_ = true;
  transport_.end();
}

// --- Its life ------------------------------------------------------------------------------------

Task<void> Connection::run() {
  tasks_.spawn("ssh read", transport_.read_loop());
  tasks_.spawn("ssh write", transport_.write_loop());
  tasks_.spawn("ssh watch", watch());
  while (!transport_.is_over()) co_await transport_.changed(kSshWake);
  tasks_.cancel();
  co_await tasks_.join();
  transport_.hang_up();
  if (sandbox_) {
    log::info("ssh session closed", {{"sandbox_id", sandbox_->text()}, {"request_id", name_}});
  }
}

Task<void> Connection::watch() {
  co_await sign_in();
  if (sandbox_) co_await follow_row(*sandbox_);
}

Task<void> Connection::sign_in() {
  const Patience patience(context_.clock, kSshLoginTimeout);
  while (!sandbox_ && !transport_.is_over()) {
    if (tries_ >= kSshKeyTriesMax) co_return end_with("Too many keys were tried.");
    if (patience.is_over()) co_return end_with("Nobody signed in.");
    co_await transport_.changed(patience.left());
  }
}

// A session ends with its sandbox, whatever it is doing. A pause refuses who comes in now; those
// who are in wait.
Task<void> Connection::follow_row(SandboxId id) {
  for (bool is_first = true; !transport_.is_over(); is_first = false) {
    Actor actor{"ssh " + name_};
    const auto row = co_await context_.core.inside().enter(id, Entry::look, std::move(actor));
    const Code code = row ? Code::internal : row.error().code;
    const bool has_ended = code == Code::gone || code == Code::not_found;
    if (has_ended || (code == Code::conflict && is_first)) {
      if (is_first) co_await let_channels_answer();
      co_return co_await end_after_output(row.error().message);
    }
    co_await context_.clock.sleep(kSshRowInterval);
  }
}

// Who has just come in asks for something, and hears there why it cannot be had: the words of a
// disconnection are lost on a client that is told no before.
Task<void> Connection::let_channels_answer() {
  const Patience patience(context_.clock, kSshPartingTime);
  bool has_asked = false;
  while (!transport_.is_over() && !patience.is_over()) {
    const bool is_being_answered = tasks_.size() > kOwnTasks;
    if (has_asked && !is_being_answered) break;
    has_asked = has_asked || is_being_answered;
    co_await transport_.changed(patience.left());
  }
}

// After what was written before.
Task<void> Connection::end_after_output(std::string words) {
  const Patience patience(context_.clock, kSshPartingTime);
  while (transport_.is_backed_up() && !patience.is_over()) {
    co_await transport_.changed(patience.left());
  }
  end_with(words);
}

// A channel is a task, beside those of the connection itself.
bool Connection::may_open_channel() const {
  return !transport_.is_over() && tasks_.size() < kSshChannelsMax + kOwnTasks;
}

Task<void> Connection::run_session(std::shared_ptr<SessionChannel> channel) {
  const auto mine = std::move(channel);      // gone before the task ends, parameters are not
  co_await asio::post(asio::use_awaitable);  // not within the library's turn
  co_await mine->run();
}

Task<void> Connection::run_port(SandboxId id, std::shared_ptr<Channel> channel, int port) {
  const auto mine = std::move(channel);
  co_await asio::post(asio::use_awaitable);
  Actor actor{"ssh " + name_};
  co_await run_forward(context_, id, std::move(actor), *mine, port);
}

}  // namespace matrx::ssh
