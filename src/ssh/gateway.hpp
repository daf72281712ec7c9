#pragma once
// SSH from outside into sandboxes: one port for all of them, no sshd inside. Another way in beside
// http and api: it decodes, calls core, encodes.

#include <memory>
#include <string>

#include "core/core.hpp"
#include "ports/access.hpp"

namespace matrx::ssh {

struct GatewaySettings {
  std::string host;        // where to listen
  std::uint16_t port = 0;  // 0: any free one
  std::string folder;      // for the host key and the secret
};

class Gateway : public AccessDoor {
 public:
  Gateway(Executor executor, GatewaySettings settings, Core& core, Clock& clock, Random& random);
  ~Gateway() override;

  // Reads or makes the keys, and listens. What it answers with must stop the start.
  Result<void> open();

  // Until stop(), which ends all sessions.
  Task<void> run();
  void stop();

  std::uint16_t port() const;

  Result<AccessGrant> grant(const SandboxId& id, seconds lifetime) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matrx::ssh
