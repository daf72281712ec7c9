#include "core/driver.hpp"

#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr int kKilledExitCode = 137;  // 128 + SIGKILL

std::string how_it_ended(const std::optional<Container>& container) {
  if (!container) return "The container is gone.";
  // Newer engines also say so of one that has lived on after a process in it was killed: then it
  // ended by itself, or by a signal, and not by the kernel's kill.
  const bool was_killed = container->exit_code == kKilledExitCode;
  if (container->out_of_memory && was_killed) return "The container ran out of memory.";
  return "The container ended with exit code " + std::to_string(container->exit_code) + ".";
}

std::string words_on_stuck(const Error& error) {
  return "The container engine cannot remove the container of this sandbox; trying again. " +
         error.message;
}

}  // namespace

void Driver::set_stop(Sandbox& row, const Stop& stop, TimePoint now) const {
  // What was never ready has no agent to be told and no work to be saved.
  const bool graceful = stop.graceful && is_usable(row.status);
  row.status = Status::shutting_down;
  row.stop_reason = stop.reason;
  row.stop_graceful = graceful;
  if (!stop.status_detail.empty()) row.status_detail = stop.status_detail;
  row.stop_deadline_at = now + settings_.shutdown_timeout;
}

Task<Result<Sandbox>> Driver::begin_stop(SandboxId id, Stop stop, Actor actor) {
  auto change = [this, stop](Sandbox& row, NewEvent& event, TimePoint now) -> Result<bool> {
    if (is_final(row.status)) return false;
    if (stop.only_if && !stop.only_if(row, now)) return false;
    event.type = stop.event_type;
    event.detail = stop.detail;
    if (row.status == Status::shutting_down) {
      if (stop.graceful || !row.stop_graceful) return false;
      row.stop_graceful = false;
      event.type = "stop_forced";
      return true;
    }
    set_stop(row, stop, now);
    return true;
  };
  co_return co_await registry_.change(id, std::move(actor), std::move(change));
}

Task<Result<void>> Driver::end_unwritten(SandboxId id, Stop stop) {
  CO_TRY(row, co_await store_.get(id));
  const bool is_here = row.installation == settings_.installation;
  if (is_here && stop.graceful && is_usable(row.status)) {
    // Deaf or paused: then without.
    [[maybe_unused]] const auto told = co_await guest_.shutdown(id, settings_.shutdown_timeout);
  }
  if (is_here) {
    unwritten_.insert_or_assign(id, std::move(stop));
    CO_CHECK(co_await runtime_.remove(id));
    log::warning("sandbox ended; its row says so when the registry has room",
                 {{"sandbox_id", id.text()}});
  }
  co_return fail(Code::unavailable,
                 is_here ? "The sandbox has been ended. The registry has no room to say so yet."
                         : "The registry has no room for the end of this sandbox.");
}

// Of one that was ended before its row could say so: true where the row has been changed now.
Task<Result<bool>> Driver::catch_up(const Sandbox& row, Actor actor) {
  const auto known = unwritten_.find(row.id);
  if (known == unwritten_.end()) co_return false;
  const bool is_due = is_usable(row.status);
  if (is_due) {
    const auto begun = co_await begin_stop(row.id, known->second, std::move(actor));
    const bool is_full = !begun && begun.error().code == Code::exhausted;
    if (is_full) CO_CHECK(co_await runtime_.remove(row.id));  // where that has failed before
    if (!begun) co_return std::unexpected(begun.error());
  }
  unwritten_.erase(row.id);
  co_return is_due;
}

Task<Result<void>> Driver::drive(SandboxId id, Actor actor) {
  const auto turn = co_await turns_.take(id.text());
  co_return co_await drive_with_turn(id, std::move(actor), nullptr);
}

void Driver::schedule(SandboxId id, Actor actor) {
  if (!scheduled_.insert(id).second) return;
  tasks_.spawn("drive", drive_scheduled(id, std::move(actor)));
}

Task<void> Driver::drive_scheduled(SandboxId id, Actor actor) {
  struct Waiting {
    std::unordered_set<SandboxId>& scheduled;
    SandboxId id;
    ~Waiting() { scheduled.erase(id); }
  };
  std::optional<Waiting> waiting(std::in_place, scheduled_, id);
  const auto turn = co_await turns_.take(id.text());
  // From here on a new event means a new look: what we are about to read may be older than it.
  waiting.reset();
  const auto driven = co_await drive_with_turn(id, actor, &slots_);
  if (!driven) {
    log::warning("sandbox not yet where it should be", {{"sandbox_id", id.text()},
                                                        {"actor", actor.text},
                                                        {"error", driven.error().message},
                                                        {"internal", driven.error().internal}});
  }
}

Task<Result<void>> Driver::drive_with_turn(SandboxId id, Actor actor, Slots* slots) {
  Tried tried;
  std::optional<Error> stuck;  // why the engine does not let go of the container
  std::optional<Slots::Slot> slot;
  for (int steps = 0; steps < kDriveStepsMax; ++steps) {
    if (slots != nullptr && !slot) slot.emplace(co_await slots->take());
    CO_TRY(row, co_await store_.get(id));
    // What lives elsewhere is another orchestrator's: here it would look as if it were gone.
    if (row.installation != settings_.installation) co_return Result<void>();
    CO_TRY(is_behind, co_await catch_up(row, actor));
    if (is_behind) continue;
    CO_TRY(container, co_await runtime_.inspect(id));
    CO_TRY(now, co_await store_.now());
    const Step step = next_step(row, container, now, tried);
    const bool is_stuck = step == Step::remove_container && stuck.has_value();
    if (step == Step::none || is_stuck) {
      // What has ended needs nothing of this host any more, whatever the engine keeps of it.
      const bool is_over =
          is_final(row.status) && (!container || container->state == ContainerState::ended);
      if (is_over) guest_.forget(id);
      if (is_over && !is_unsaved(row)) co_await homes_.forget(id);
      slot.reset();
      // A destroy has waited for it as long as its patience lasted.
      const milliseconds rest = slots != nullptr ? kColdFlushLater : kColdFlushMin;
      if (is_over) co_await detach_cold(row, rest, actor);
      if (!is_stuck) co_return Result<void>();
      if (container) co_await tell_stuck(row, *container, *stuck, actor);
      co_return std::unexpected(*stuck);
    }
    // These two may use up all the patience there is: no reason to hold others up.
    if (step == Step::tell_agent) tried.agent_told = true;
    if (step == Step::save_home) tried.home_saved = true;
    if (step == Step::tell_agent || step == Step::save_home) slot.reset();
    auto applied = co_await apply(step, std::move(row), container, now, stuck, actor);
    if (!applied && step == Step::remove_container) {
      // It may have ended all the same: then there is more to be done without the engine.
      tried.removal_failed = true;
      stuck = applied.error();
      continue;
    }
    const bool lost_race = !applied && applied.error().code == Code::conflict;
    const bool is_full = !applied && applied.error().code == Code::exhausted;
    if (is_full && step == Step::begin_expiry) {
      co_return co_await end_unwritten(id, {.graceful = true, .reason = StopReason::expired});
    }
    // What nobody carries on needs no row to go.
    if (is_full && step == Step::abandon) CO_CHECK(co_await runtime_.remove(id));
    if (!applied && !lost_race) co_return applied;
  }
  co_return fail(Code::internal, "The sandbox does not come to rest.");
}

// What was written to large files has to reach the storage before their mount goes. Where that
// takes longer than anybody waits for, the mount stays, and the rounds ask again.
Task<void> Driver::detach_cold(const Sandbox& row, milliseconds patience, Actor actor) {
  const auto detached = co_await cold_.detach(row.id, row.user_id, patience);
  if (detached && *detached) co_return;
  const std::string why = detached ? cold_.trouble(row.id) : detached.error().message;
  log::warning("large files are still on their way to the storage",
               {{"sandbox_id", row.id.text()}, {"user_id", row.user_id}, {"error", why}});
  if (is_final(row.status)) co_return;
  co_await registry_.note_storage(
      row.id, std::move(actor), row.storage_state,
      "Large files are still on their way to the storage." + (why.empty() ? "" : " " + why));
}

// As long as programs run in it, its home cannot be saved: whoever waits for that learns why.
Task<void> Driver::tell_stuck(const Sandbox& row, const Container& container, const Error& error,
                              Actor actor) {
  if (container.state == ContainerState::ended || !is_unsaved(row)) co_return;
  co_await registry_.note_storage(row.id, std::move(actor), StorageState::active,
                                  words_on_stuck(error));
}

Task<Result<void>> Driver::apply(Step step, Sandbox row, const std::optional<Container>& container,
                                 TimePoint now, const std::optional<Error>& stuck, Actor actor) {
  const SandboxId id = row.id;
  Registry::Change change;
  switch (step) {
    case Step::none:
      co_return Result<void>();

    case Step::tell_agent: {
      const auto patience = row.stop_deadline_at.value_or(now) - now;
      const auto told = co_await guest_.shutdown(id, patience);
      if (!told) {
        log::warning("agent could not be told to end",
                     {{"sandbox_id", id.text()}, {"error", told.error().message}});
      }
      co_return Result<void>();
    }

    case Step::save_home: {
      const auto left = row.stop_deadline_at.value_or(now) - now;
      const bool is_over = is_final(row.status);
      const Sandbox ended = row;
      co_await homes_.save(std::move(row),
                           is_over ? milliseconds(0) : std::max<milliseconds>(left, kHomeSaveMin));
      CO_TRY(after, co_await store_.now());
      const auto rest = ended.stop_deadline_at.value_or(after) - after;
      if (!is_over) {
        co_await detach_cold(ended, std::max<milliseconds>(rest, kColdFlushMin), actor);
      }
      co_return Result<void>();
    }

    case Step::pause:
      co_return co_await runtime_.pause(id);

    case Step::resume:
      co_return co_await runtime_.resume(id);

    case Step::remove_container:
      co_return co_await runtime_.remove(id);

    case Step::abandon:
      change = [](Sandbox& changed, NewEvent&, TimePoint) -> Result<bool> {
        changed.status = Status::failed;
        changed.stop_reason = StopReason::error;
        changed.status_detail = "The orchestrator ended while this sandbox was being created.";
        return true;
      };
      break;

    case Step::begin_expiry:
      // By the store's time at the moment of the change, and only if nobody renewed it meanwhile.
      change = [this](Sandbox& changed, NewEvent&, TimePoint at) -> Result<bool> {
        if (changed.expires_at > at) return false;
        set_stop(changed, {.graceful = true, .reason = StopReason::expired}, at);
        return true;
      };
      break;

    case Step::mark_lost:
      change = [detail = how_it_ended(container)](Sandbox& changed, NewEvent& e,
                                                  TimePoint) -> Result<bool> {
        changed.status = Status::stopped;
        changed.stop_reason = StopReason::lost;
        changed.status_detail = detail;
        e.type = "lost";
        e.detail = detail;
        return true;
      };
      break;

    case Step::finish_stop:
      change = [&stuck](Sandbox& changed, NewEvent&, TimePoint) -> Result<bool> {
        const bool expired = changed.stop_reason == StopReason::expired;
        if (stuck) changed.status_detail = words_on_stuck(*stuck);
        changed.status = expired ? Status::expired : Status::stopped;
        // Somebody wrote shutting_down into the database by hand, and no reason.
        if (!changed.stop_reason) changed.stop_reason = StopReason::admin;
        changed.stop_deadline_at.reset();
        return true;
      };
      break;
  }
  CO_CHECK(co_await registry_.change_once(std::move(row), std::move(actor), std::move(change)));
  co_return Result<void>();
}

}  // namespace matrx
