#include "core/monitor.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kIdle{"loop:idle"};

// The share of its CPUs between two samples. What the agent itself calls percent is since the last
// question of anybody: who asks often would hide work that comes in bursts.
double percent_between(const MachineUsage& before, const MachineUsage& now) {
  using Seconds = std::chrono::duration<double>;
  const double passed = Seconds(now.at - before.at).count();
  if (!before.cpu_time || !now.cpu_time || passed <= 0 || now.cpus <= 0) return now.cpu_percent;
  // As real numbers: what a sandbox says may be as large as a number can be.
  const double used = Seconds(*now.cpu_time).count() - Seconds(*before.cpu_time).count();
  return std::clamp(used / (passed * now.cpus) * 100, 0.0, 100.0);
}

// Did anything happen between two samples?
bool is_busy(const MachineUsage& before, const MachineUsage& now) {
  const double cores = now.cpu_percent / 100 * now.cpus;
  const double moved = static_cast<double>(now.received - before.received) +
                       static_cast<double>(now.sent - before.sent);
  return cores >= kBusyCpuCores || moved >= static_cast<double>(kBusyNetworkBytes);
}

}  // namespace

std::vector<MachineUsage> Monitor::history(const SandboxId& id) const {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return {};
  return {found->second.samples.begin(), found->second.samples.end()};
}

Task<void> Monitor::look_for_ever() {
  for (;;) {
    co_await clock_.sleep(kIdleInterval);
    if (!some_may_be_idle_ && clock_.uptime() - looked_at_ < kUsageInterval) continue;
    const auto looked = co_await look();
    if (!looked) {
      log::debug("the monitor cannot read the registry", {{"error", looked.error().message}});
    }
  }
}

Task<Result<void>> Monitor::look() {
  looked_at_ = clock_.uptime();
  CO_TRY(rows, co_await store_.list_active(settings_.installation));
  CO_TRY(now, co_await store_.now());
  some_may_be_idle_ =
      std::ranges::any_of(rows, [](const Sandbox& row) { return row.idle_timeout_seconds > 0; });
  std::unordered_set<SandboxId> alive;
  for (const Sandbox& row : rows) alive.insert(row.id);
  std::erase_if(watched_, [&](const auto& entry) { return !alive.contains(entry.first); });
  inside_.activity().forget_all_but(alive);
  for (Sandbox& row : rows) {
    const bool is_open = is_usable(row.status) && !row.paused_at;
    // One that does not answer holds up nobody, not even its own next round for ever.
    if (!is_open || !looking_.insert(row.id).second) continue;
    tasks_.spawn("look", look_at(std::move(row), now));
  }
  co_return Result<void>();
}

Task<void> Monitor::look_at(Sandbox row, TimePoint now) {
  struct Done {
    std::unordered_set<SandboxId>& looking;
    SandboxId id;
    ~Done() { looking.erase(id); }
  } const done{looking_, row.id};
  const auto slot = co_await slots_.take();
  const bool seems_idle = is_idle(row, now);
  const milliseconds age = clock_.uptime() - watched_[row.id].sampled_at;
  bool sampled = true;
  if (seems_idle || age >= kUsageInterval) sampled = co_await sample(row.id);
  // What cannot be looked at may be busy: too busy to answer.
  if (seems_idle && sampled && is_idle(row, now)) co_return co_await end_idle(std::move(row));
  if (row.idle_timeout_seconds > 0) co_await write_activity(row, now);
}

Task<bool> Monitor::sample(SandboxId id) {
  auto usage = co_await machine_.usage(id);
  Watched& watched = watched_[id];
  watched.sampled_at = clock_.uptime();
  if (!usage) co_return false;  // whether it has died is for others to find out
  if (!watched.samples.empty()) {
    usage->cpu_percent = percent_between(watched.samples.back(), *usage);
  }
  // The first one may have the start itself in it.
  if (watched.samples.empty() || is_busy(watched.samples.back(), *usage)) {
    inside_.activity().touch(id);
  }
  watched.samples.push_back(*usage);
  if (watched.samples.size() > kUsageSamplesMax) watched.samples.pop_front();
  co_return true;
}

// By the store's time. What this orchestrator has not seen yet counts as busy: it may have been
// away for long.
TimePoint Monitor::last_active(const Sandbox& row, TimePoint now) const {
  const milliseconds seen = inside_.activity().last(row.id).value_or(began_);
  const TimePoint here = now - (clock_.uptime() - std::max(seen, began_));
  return std::max(here, row.last_active_at.value_or(row.created_at));
}

bool Monitor::is_idle(const Sandbox& row, TimePoint now) const {
  return row.idle_timeout_seconds > 0 && !inside_.activity().is_knocked_at(row.id) &&
         now - last_active(row, now) >= seconds(row.idle_timeout_seconds);
}

// Not at each request, but so that an orchestrator which dies forgets little.
Task<void> Monitor::write_activity(Sandbox row, TimePoint now) {
  const TimePoint last = last_active(row, now);
  if (last - row.last_active_at.value_or(row.created_at) < kActivityWriteInterval) co_return;
  const auto noted = co_await store_.note_active(row.id, last);
  if (!noted && noted.error().code != Code::conflict) {
    log::warning("activity could not be written down",
                 {{"sandbox_id", row.id.text()}, {"error", noted.error().message}});
  }
}

// Decided once more where the row is changed, so that a request which came in between is seen; one
// that comes later waits for what becomes of it.
Task<void> Monitor::end_idle(Sandbox row) {
  const Activity::Ending ending(inside_.activity(), row.id);
  Driver::Stop stop{
      .graceful = true,
      .reason = StopReason::expired,
      .detail = "Nothing happened in it for " + std::to_string(row.idle_timeout_seconds) + " s.",
      .only_if = [this](const Sandbox& now_row, TimePoint now) {
        return is_usable(now_row.status) && !now_row.paused_at && is_idle(now_row, now);
      }};
  const auto stopped = co_await driver_.begin_stop(row.id, std::move(stop), kIdle);
  // Also where the answer was lost: it may be written down.
  if (!stopped || stopped->status == Status::shutting_down) driver_.schedule(row.id, kIdle);
}

}  // namespace matrx
