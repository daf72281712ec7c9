#pragma once
// The guest agents of this host's sandboxes, each behind the Unix socket in its run folder.
//
// Root in a sandbox can put anything into that folder. So the socket is opened as a path only,
// without following links, must be a socket, and is connected to through that descriptor: one that
// was swapped for a link to a socket of the host gets nothing.

#include <filesystem>
#include <memory>
#include <unordered_map>

#include "async/clock.hpp"
#include "http/client.hpp"
#include "ports/guest.hpp"

namespace matrx {

class GuestClient : public Guest {
 public:
  // sandboxes_dir: <dir>/<sandbox id>/run/agent.sock is the agent's socket.
  GuestClient(Clock& clock, std::filesystem::path sandboxes_dir)
      : clock_(clock), sandboxes_dir_(std::move(sandboxes_dir)) {}

  Task<Result<void>> wait_ready(const SandboxId& id, milliseconds limit) override;
  Task<Result<ExecOutcome>> exec(const SandboxId& id, const ExecSpec& spec) override;
  Task<Result<void>> shutdown(const SandboxId& id, milliseconds grace) override;
  Task<Result<void>> serve_signals(const SandboxId& id, SignalHandler handler) override;
  void forget(const SandboxId& id) override;

  // The connections to one sandbox's agent.
  std::shared_ptr<http::Client> client_of(const SandboxId& id);

 private:
  Task<Result<void>> reply(http::Client& client, std::int64_t signal_id, Result<void> result);

  Clock& clock_;
  std::filesystem::path sandboxes_dir_;
  std::unordered_map<SandboxId, std::shared_ptr<http::Client>> clients_;
};

}  // namespace matrx
