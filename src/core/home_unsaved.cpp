// Homes of sandboxes that have ended: they are saved, waited for, or given up.

#include <algorithm>
#include <set>

#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "core/home_sync.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr auto kWaitPoll = milliseconds(200);

// Words of the row; what can be done about it is in the answer to the next create.
std::string words_on_kept(bool has_fitted) {
  return has_fitted ? " What fits is saved; all of it is kept on its host."
                    : " It is kept on its host.";
}

bool will_fail_again(const Error& error) {
  return error.code == Code::too_large || error.code == Code::invalid;
}

std::string words_on(const SyncReport& report) {
  std::string words;
  if (report.left_out > 0) {
    words = std::to_string(report.left_out) +
            " entries of the home could not be kept: sockets, devices, pipes or names that are too "
            "long.";
  }
  if (report.kept_stored + report.kept_beside > 0) {
    words += (words.empty() ? "" : " ") + std::string("The host was started anew: ") +
             std::to_string(report.kept_stored) +
             " entries are missing, older or torn on its disk, and stay as they were stored; " +
             std::to_string(report.kept_beside) + " versions are kept beside others.";
  }
  return words;
}

}  // namespace

Task<Result<void>> HomeSync::bring_down(Sandbox row) {
  CO_CHECK(co_await wait_for_unsaved(row));
  const Wanted wanted(*this, row.user_id);
  CO_CHECK(co_await alone(row, SyncDirection::down, [this, row] { return down(row); }));
  co_return Result<void>();
}

// Only those of the first look are waited for: of a user whose sandboxes come and go there is
// always one more.
Task<Result<void>> HomeSync::wait_for_unsaved(Sandbox row) {
  const Patience patience(clock_, kUnsavedWait);
  std::optional<std::set<SandboxId>> awaited;
  for (;;) {
    CO_TRY(unsaved, co_await store_.list_unsaved("", row.user_id, kUnsavedAtOnceMax));
    std::erase_if(unsaved, [&](const Sandbox& other) { return other.id == row.id; });
    if (!awaited) {
      awaited.emplace();
      for (const Sandbox& other : unsaved) awaited->insert(other.id);
      for (const auto& [id, stray] : strays_) awaited->insert(id);
    }
    CO_TRY(left, co_await look_at_unsaved(row.user_id, unsaved, *awaited, !patience.is_over()));
    if (left.waited_for.empty() && left.passed >= kUnsavedOfUserMax) {
      co_return fail(Code::home_not_saved,
                     std::to_string(left.passed) +
                         " homes of this user could not be saved, among them that of sandbox " +
                         left.one_passed + "; one of them has to be given up first. " + left.why);
    }
    if (left.waited_for.empty()) co_return Result<void>();
    if (patience.is_over()) {
      co_return fail(Code::unavailable, "The home of this user is still being saved by sandbox " +
                                            left.waited_for + "; try again later." +
                                            (left.why.empty() ? "" : " " + left.why));
    }
    // A save that failed again and again is tried after minutes only; not where somebody waits.
    for (const Sandbox& other : unsaved) {
      const auto failed = failed_.find(other.id);
      const bool is_paused = failed != failed_.end() && !failed->second.is_lasting &&
                             failed->second.pause > kSaveRetryMin;
      if (!is_paused) continue;
      failed->second.until -= failed->second.pause - milliseconds(kSaveRetryMin);
      failed->second.pause = kSaveRetryMin;
    }
    co_await clock_.sleep(kWaitPoll);
  }
}

// Which of them a create waits for, and how many it goes on without: what can never be saved, and
// what could not for long, when patience is over.
Task<Result<HomeSync::Unsaved>> HomeSync::look_at_unsaved(std::string user_id,
                                                          const std::vector<Sandbox>& rows,
                                                          const std::set<SandboxId>& awaited,
                                                          bool is_patient) {
  Unsaved left;
  const auto note = [&](const SandboxId& id, const std::string& why, bool is_passed) {
    if (is_passed) {
      ++left.passed;
      left.one_passed = id.text();
      if (left.waited_for.empty()) left.why = why;
    } else if (awaited.contains(id) && left.waited_for.empty()) {
      left.waited_for = id.text();
      left.why = why;
    }
  };
  CO_TRY(now, co_await store_.now());
  for (const Sandbox& other : rows) {
    CO_TRY(host, co_await store_.host(other.installation));
    const bool is_here = other.installation == settings_.installation;
    if (!is_here && (!host || host->last_seen_at + kHostSilentAfter <= now)) continue;
    const bool is_old = !other.storage_detail.empty() && other.stopped_at &&
                        now - *other.stopped_at > kUnsavedBlocks;
    note(other.id, other.storage_detail, can_never_be_saved(other.id) || (is_old && !is_patient));
  }
  for (const auto& [id, stray] : strays_) {
    if (stray.user_id != user_id) continue;
    const bool is_old = !stray.why.empty() && clock_.uptime() - stray.since > kUnsavedBlocks;
    note(id, stray.why, stray.is_lasting || (is_old && !is_patient));
  }
  co_return left;
}

Task<void> HomeSync::save(Sandbox row, milliseconds patience) {
  std::shared_ptr<Saving> under_way;
  if (const auto known = saving_.find(row.id); known != saving_.end()) {
    under_way = known->second;
  } else {
    const auto failed = failed_.find(row.id);
    if (failed != failed_.end() && clock_.uptime() < failed->second.until) co_return;
    under_way = std::make_shared<Saving>();
    saving_.emplace(row.id, under_way);
    tasks_.spawn("save home", save_in_background(row, under_way));
  }
  if (patience > milliseconds(0)) {
    co_await with_deadline(clock_, patience, wait_until_over(under_way));
  }
}

Task<bool> HomeSync::wait_until_over(std::shared_ptr<Saving> saving) {
  while (!saving->is_over) co_await saving->over.wait(kSyncDeadline);
  co_return true;
}

Task<void> HomeSync::save_in_background(Sandbox row, std::shared_ptr<Saving> saving) {
  struct Over {
    HomeSync& sync;
    SandboxId id;
    std::shared_ptr<Saving> saving;
    ~Over() {
      sync.saving_.erase(id);
      saving->is_over = true;
      saving->over.notify();
    }
  } const over{*this, row.id, saving};

  Sync sync = [this, row] { return up_while_unsaved(row, Extent::all); };
  const auto done = co_await alone(row, SyncDirection::up, std::move(sync));
  if (!done && done.error().code == Code::gone) co_return;
  if (!done) {
    std::string words = done.error().message;
    const bool is_lasting = will_fail_again(done.error());
    const bool has_fitted = is_lasting && co_await save_what_fits(row);
    if (is_lasting) words += words_on_kept(has_fitted);
    Failed& failed = failed_[row.id];
    failed.pause = std::clamp<milliseconds>(failed.pause * 2, kSaveRetryMin, kSaveRetryMax);
    failed.until = clock_.uptime() + failed.pause;
    if (is_lasting && !failed.is_lasting) failed.lasting_since = clock_.uptime();
    failed.is_lasting = is_lasting;
    failed.has_fitted = has_fitted;
    co_await registry_.note_storage(row.id, kHomesLoop, StorageState::active, std::move(words));
    co_return;
  }
  const auto noted =
      co_await registry_.note_storage(row.id, kHomesLoop, StorageState::saved, words_on(*done));
  if (!noted) co_return;  // saved once more later: that finds nothing to do
  failed_.erase(row.id);
  co_await remove_from_disk(row.id);
}

// Where the whole can never be saved. Its user goes on with that; the whole stays on this host.
Task<bool> HomeSync::save_what_fits(const Sandbox& row) {
  const auto failed = failed_.find(row.id);
  if (failed != failed_.end() && failed->second.has_fitted) co_return true;
  Sync sync = [this, row] { return up_while_unsaved(row, Extent::what_fits); };
  const auto done = co_await alone(row, SyncDirection::up, std::move(sync));
  co_return done.has_value();
}

// Not from under a sync that reads it: what it misses would look deleted.
Task<void> HomeSync::forget(SandboxId id) {
  if (saving_.contains(id)) co_return;
  co_await remove_from_disk(id);
}

Task<void> HomeSync::remove_from_disk(SandboxId id) {
  yields_.erase(id);
  const auto gone = co_await homes_.forget(id);
  if (!gone) {
    log::warning("home left on the disk", {{"sandbox_id", id.text()},
                                           {"error", gone.error().message},
                                           {"internal", gone.error().internal}});
  }
}

// Somebody may have given it up while others had their turn.
Task<Result<SyncReport>> HomeSync::up_while_unsaved(Sandbox row, Extent extent) {
  CO_TRY(now, co_await store_.get(row.id));
  if (!is_unsaved(now)) co_return fail(Code::gone, "The home has been given up.");
  co_return co_await up(std::move(row), extent);
}

Task<Result<SyncReport>> HomeSync::up_if_stray(Sandbox row) {
  if (!strays_.contains(row.id)) co_return fail(Code::gone, "The home has been given up.");
  co_return co_await up(std::move(row), Extent::all);
}

Task<Result<void>> HomeSync::save_stray(KeptHome home) {
  expect_stray(home);
  const auto base = co_await homes_.base(home.id);
  // Never complete: nothing has run in it, and all that it has is in the storage.
  const bool was_complete = base || base.error().code != Code::not_found;
  if (was_complete) {
    Sandbox row;
    row.id = home.id;
    row.user_id = home.user_id;
    row.installation = settings_.installation;
    Sync sync = [this, row] { return up_if_stray(row); };
    const auto done = co_await alone(row, SyncDirection::up, std::move(sync));
    if (!done && done.error().code == Code::gone) co_return Result<void>();
    if (!done) {
      Stray& stray = strays_[home.id];
      stray.why = done.error().message;
      stray.is_lasting = will_fail_again(done.error());
      co_return std::unexpected(done.error());
    }
  }
  let_go_stray(home.id);  // the storage has it all: nobody need wait for the disk
  co_return co_await homes_.forget(home.id);
}

Task<Result<void>> HomeSync::give_up(SandboxId id, Actor actor) {
  const auto row = co_await store_.get(id);
  const bool is_stray = !row && row.error().code == Code::not_found && strays_.contains(id);
  if (!row && !is_stray) co_return std::unexpected(row.error());
  if (row && !is_final(row->status)) {
    co_return fail(Code::conflict, "The sandbox has not ended: its home is in use.");
  }
  if (row && !is_unsaved(*row)) co_return Result<void>();
  // Its own host frees the disk when it sees that. One that never comes back has none.
  if (row && row->installation != settings_.installation) {
    co_return co_await note_given_up(id, std::move(actor));
  }
  const std::string user_id = row ? row->user_id : strays_.at(id).user_id;
  const auto turn = co_await unless_first(clock_.sleep(kGiveUpWait), turns_.take(user_id));
  if (!turn) {
    co_return fail(Code::unavailable, "The home is being saved at this moment; try again later.");
  }
  if (row) CO_CHECK(co_await note_given_up(id, actor));
  log::warning("home given up",
               {{"sandbox_id", id.text()}, {"user_id", user_id}, {"actor", actor.text}});
  failed_.erase(id);
  const auto removed = co_await homes_.forget(id);
  if (removed) strays_.erase(id);
  // Of one with a row the rounds free the disk later.
  if (!removed && is_stray) co_return std::unexpected(removed.error());
  co_return Result<void>();
}

Task<Result<void>> HomeSync::note_given_up(SandboxId id, Actor actor) {
  CO_CHECK(co_await registry_.note_storage(
      std::move(id), std::move(actor), StorageState::none,
      "The home was given up: what had not been saved of it before is lost."));
  co_return Result<void>();
}

}  // namespace matrx
