#pragma once
// One client of the gateway: signs in with a key, then opens channels into one sandbox.

#include <functional>
#include <list>
#include <memory>

#include "ssh/access_keys.hpp"
#include "ssh/session_channel.hpp"

namespace matrx::ssh {

// Who is at the other end.
struct Peer {
  std::string address;
  std::string source;  // whose share it counts against
};

class Connection {
 public:
  // Asked before a key is accepted: how many are in that sandbox already.
  using Count = std::function<std::size_t(const SandboxId& id)>;

  Connection(Executor executor, GatewayContext& context, const AccessKeys& keys, Count count,
             SessionHandle session, int watched, Peer peer);
  Connection(const Connection&) = delete;

  // Until either side ends it.
  Task<void> run();

  // Ends it with a word to the client.
  void end_with(const std::string& words) { transport_.end_with(words); }

  // Nothing: a stranger still.
  const std::optional<SandboxId>& sandbox() const { return sandbox_; }

  bool is_stranger() const { return !sandbox_ && !dropped_; }
  const std::string& source() const { return peer_.source; }
  milliseconds since() const { return since_; }  // at what uptime it came
  // Ends it for another one's sake; it counts no more.
  void drop();

 private:
  static int on_key(ssh_session, const char* user, ssh_key key, char state, void* self);
  static ssh_channel on_session(ssh_session session, void* self);
  static int on_message(ssh_session, ssh_message message, void* self);
  int check_key(const char* user, ssh_key key, char state);
  int refuse_key(std::string_view why);
  ssh_channel open_session();
  bool open_forward(ssh_message message);

  bool may_open_channel() const;

  Task<void> watch();
  Task<void> sign_in();
  Task<void> follow_row(SandboxId id);
  Task<void> let_channels_answer();
  Task<void> end_after_output(std::string words);
  Task<void> run_session(std::shared_ptr<SessionChannel> channel);
  Task<void> run_port(SandboxId id, std::shared_ptr<Channel> channel, int port);

  GatewayContext& context_;
  const AccessKeys& keys_;
  Count count_;
  Peer peer_;
  std::string name_;  // of this connection, in the log
  Transport transport_;
  ssh_server_callbacks_struct callbacks_{};
  std::optional<SandboxId> sandbox_;
  milliseconds since_;
  bool dropped_ = false;
  int tries_ = 0;
  TaskGroup tasks_;
};

}  // namespace matrx::ssh
