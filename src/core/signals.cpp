#include "core/signals.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "core/commands.hpp"
#include "model/states.hpp"

namespace matrx {

Task<Result<void>> Signals::heartbeat(SandboxId id) {
  CO_TRY(now, co_await store_.now());
  auto beaten = co_await store_.heartbeat(id, now);
  if (!beaten && beaten.error().code == Code::conflict) {
    CO_TRY(row, co_await store_.get(id));
    CO_CHECK(check_usable(row));
  }
  co_return beaten;
}

Task<Result<void>> Signals::complete(SandboxId id, std::string result_json, Actor actor) {
  co_return co_await stop_for(id,
                              {.graceful = true,
                               .reason = StopReason::graceful_shutdown,
                               .event_type = "agent_complete",
                               .detail = std::move(result_json)},
                              std::move(actor));
}

Task<Result<void>> Signals::error(SandboxId id, std::string text, std::string details_json,
                                  Actor actor) {
  if (!details_json.empty()) text += "\n" + details_json;
  co_return co_await stop_for(id,
                              {.graceful = true,
                               .reason = StopReason::error,
                               .event_type = "agent_error",
                               .detail = std::move(text)},
                              std::move(actor));
}

Task<Result<void>> Signals::stop_for(SandboxId id, Driver::Stop stop, Actor actor) {
  CO_TRY(row, co_await driver_.begin_stop(id, std::move(stop), actor));
  if (is_final(row.status)) co_return check_usable(row);
  driver_.schedule(id, std::move(actor));
  co_return Result<void>();
}

void Signals::listen(SandboxId id) {
  if (!listening_.emplace(id, std::nullopt).second) return;
  tasks_.spawn("signals", listen_until_ended(id));
}

Task<void> Signals::listen_until_ended(SandboxId id) {
  struct Over {
    std::unordered_map<SandboxId, std::optional<milliseconds>>& listening;
    const SandboxId& id;
    ~Over() { listening.erase(id); }
  } const over{listening_, id};
  milliseconds pause = kReconnectDelayMin;
  for (;;) {
    const milliseconds since = clock_.uptime();
    SignalHandler handler = [this, id](AgentSignal signal) {
      return receive(id, std::move(signal));
    };
    const auto broken = co_await guest_.serve_signals(id, std::move(handler));
    const auto row = co_await store_.get(id);
    if (row && !is_usable(row->status)) break;
    if (!row && row.error().code == Code::not_found) break;
    // A broken channel is the first sign of a dead container.
    driver_.schedule(id, Actor{"loop:signals"});
    const bool lasted = clock_.uptime() - since > kReconnectDelayMax;
    pause = lasted ? milliseconds(kReconnectDelayMin)
                   : std::min<milliseconds>(pause * 2, kReconnectDelayMax);
    co_await clock_.sleep(pause);
  }
}

Task<Result<void>> Signals::heard_beating(SandboxId id) {
  const auto known = listening_.find(id);
  const milliseconds now = clock_.uptime();
  if (known != listening_.end()) {
    const std::optional<milliseconds> last = known->second;
    if (last && now - *last < kHeartbeatInterval) co_return Result<void>();
    known->second = now;  // also of one that fails: it is a try
  }
  co_return co_await heartbeat(std::move(id));
}

Task<Result<void>> Signals::receive(SandboxId id, AgentSignal signal) {
  const Actor actor{"agent"};
  switch (signal.kind) {
    case SignalKind::heartbeat:
      co_return co_await heard_beating(std::move(id));
    case SignalKind::complete:
      co_return co_await complete(id, std::move(signal.payload_json), actor);
    case SignalKind::error:
      co_return co_await error(id, std::move(signal.text), std::move(signal.payload_json), actor);
  }
  co_return fail(Code::invalid, "Unknown signal.");
}

}  // namespace matrx
