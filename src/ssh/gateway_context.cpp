#include "ssh/gateway_context.hpp"

namespace matrx::ssh {
namespace {

Task<void> tell_process(Machine& machine, SandboxId id, ProcessKey key) {
  // It may have ended, or the whole sandbox has.
  (void)co_await machine.close_input(id, key);
  (void)co_await machine.signal_process(id, key, "HUP");
}

}  // namespace

void GatewayContext::hang_up(SandboxId id, std::string process_tag) {
  ProcessKey key{.tag = std::move(process_tag)};
  hang_ups.spawn("ssh hang-up", tell_process(core.machine(), std::move(id), std::move(key)));
}

}  // namespace matrx::ssh
