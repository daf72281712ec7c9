#include "ssh/forward.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx::ssh {
namespace {

Task<void> pump_in(Channel& from, ByteStream& to, Activity& activity, const SandboxId& id) {
  std::vector<char> buffer(kSshPieceBytes);
  for (;;) {
    const auto count = co_await from.read_some(buffer);
    if (!count) {
      to.close();
      co_return;
    }
    if (*count == 0) break;
    activity.touch(id);
    const std::string_view bytes(buffer.data(), *count);
    if (!co_await to.write(bytes)) co_return from.close();
  }
  to.end_writing();
}

Task<void> pump_out(ByteStream& from, Channel& to, Activity& activity, const SandboxId& id) {
  std::vector<char> buffer(kSshPieceBytes);
  for (;;) {
    const auto count = co_await from.read_some(buffer);
    if (!count || *count == 0) break;
    activity.touch(id);
    const std::string_view bytes(buffer.data(), *count);
    if (!co_await to.write(bytes)) co_return from.close();
  }
  to.end_writing();
}

}  // namespace

bool is_loopback_name(std::string_view host) {
  constexpr std::array<std::string_view, 4> kNames = {"localhost", "127.0.0.1", "::1", "[::1]"};
  return std::ranges::find(kNames, host) != kNames.end();
}

Task<void> run_forward(GatewayContext& context, SandboxId id, Actor actor, Channel& channel,
                       int port) {
  auto dialed = co_await context.core.inside().call(id, Entry::work, actor, &Machine::dial, port);
  log::info("ssh forward",
            {{"sandbox_id", id.text()}, {"port", port}, {"opened", dialed.has_value()}});
  if (dialed) {
    Activity& activity = context.core.inside().activity();
    co_await both(pump_in(channel, **dialed, activity, id),
                  pump_out(**dialed, channel, activity, id));
  }
  channel.close();
}

}  // namespace matrx::ssh
