#pragma once
// A port of the sandbox, forwarded to the client (ssh -L): a channel and a connection inside.

#include "ssh/channel.hpp"
#include "ssh/gateway_context.hpp"

namespace matrx::ssh {

// Only the sandbox itself can be meant: there is no way through it to anywhere else.
bool is_loopback_name(std::string_view host);

// Until both sides have said all, or either is gone.
Task<void> run_forward(GatewayContext& context, SandboxId id, Actor actor, Channel& channel,
                       int port);

}  // namespace matrx::ssh
