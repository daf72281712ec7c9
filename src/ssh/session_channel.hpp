#pragma once
// A shell, a command or SFTP: one process in the sandbox behind one channel.

#include <deque>
#include <optional>

#include "ssh/channel.hpp"
#include "ssh/gateway_context.hpp"

namespace matrx::ssh {

class SessionChannel {
 public:
  SessionChannel(GatewayContext& context, Transport& transport, SandboxId id, Actor actor,
                 ssh_channel handle);
  ~SessionChannel();
  SessionChannel(const SessionChannel&) = delete;

  // Until its process has ended, or the client has closed it.
  Task<void> run();

 private:
  // What the client asks for; the library calls these from within its turns.
  static int on_terminal(ssh_session, ssh_channel, const char* term, int columns, int rows, int,
                         int, void* self);
  static int on_resize(ssh_session, ssh_channel, int columns, int rows, int, int, void* self);
  static int on_environment(ssh_session, ssh_channel, const char* name, const char* value,
                            void* self);
  static int on_shell(ssh_session, ssh_channel, void* self);
  static int on_command(ssh_session, ssh_channel, const char* command, void* self);
  static int on_subsystem(ssh_session, ssh_channel, const char* name, void* self);
  static void on_signal(ssh_session, ssh_channel, const char* name, void* self);
  int request(std::string command, std::vector<std::string> arguments);

  Task<Result<void>> start();
  Task<void> serve();
  Task<void> talk();
  Task<void> show();
  Task<void> listen();
  Task<void> obey();
  Task<void> tell(std::string words);

  GatewayContext& context_;
  SandboxId id_;
  Actor actor_;
  Channel channel_;
  ssh_channel_callbacks_struct callbacks_{};
  ProcessStart start_;
  bool is_requested_ = false;  // there is something to start
  bool is_running_ = false;
  int exit_status_ = 0;
  bool is_resized_ = false;
  std::deque<std::string> signals_;
  Bell told_;  // resized, or a signal
  std::unique_ptr<ProcessEvents> events_;
};

}  // namespace matrx::ssh
