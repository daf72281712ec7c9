#include "core/home_sync.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "async/offload.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "core/home_doubts.hpp"
#include "core/home_trees.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr auto kWaitPoll = milliseconds(200);

StoragePlace hot(const std::string& user_id) { return {.user_id = user_id, .tier = Tier::hot}; }

// The tags of what was sent. What was not there any more keeps what was before.
SyncReport note_sent(UploadPlan& plan, const Storage::Tags& stored) {
  SyncReport report;
  for (const auto& path : plan.put) {
    const auto found = stored.find(path);
    if (found == stored.end()) {
      const auto before = plan.before.find(path);
      plan.result.erase(path);
      plan.next_base.erase(path);
      if (before == plan.before.end()) continue;
      plan.result.emplace(path, before->second);
      plan.next_base.emplace(path, before->second);
      continue;
    }
    HomeNode& node = plan.result.at(path);
    node.tag = found->second;
    report.bytes += node.size_bytes;
    ++report.objects;
    if (auto next = plan.next_base.find(path); next != plan.next_base.end()) {
      next->second.tag = found->second;
    }
  }
  return report;
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
  CO_CHECK(co_await alone(row, SyncDirection::down, [this, row] { return down(row); }));
  co_return Result<void>();
}

// Homes of this user that other sandboxes have left and that are on their way to the storage. Only
// those of the first look: of a user whose sandboxes come and go there is always one more.
Task<Result<void>> HomeSync::wait_for_unsaved(Sandbox row) {
  const Patience patience(clock_, kUnsavedWait);
  std::optional<std::set<SandboxId>> awaited;
  for (;;) {
    CO_TRY(unsaved, co_await store_.list_unsaved("", row.user_id, kUnsavedAtOnceMax));
    if (!awaited) {
      awaited.emplace();
      for (const Sandbox& other : unsaved) awaited->insert(other.id);
      for (const auto& [id, stray] : strays_) awaited->insert(id);
    }
    const Sandbox* waited_for = nullptr;
    for (const Sandbox& other : unsaved) {
      if (other.id == row.id || !awaited->contains(other.id)) continue;
      CO_TRY(host, co_await store_.host(other.installation));
      CO_TRY(now, co_await store_.now());
      const bool here = other.installation == settings_.installation;
      if (here || (host && host->last_seen_at + kHostSilentAfter > now)) waited_for = &other;
    }
    const auto stray = std::ranges::find_if(strays_, [&](const auto& entry) {
      return entry.second.user_id == row.user_id && awaited->contains(entry.first);
    });
    const bool is_stray = waited_for == nullptr && stray != strays_.end();
    if (waited_for == nullptr && !is_stray) co_return Result<void>();
    if (patience.is_over()) {
      const std::string& id = is_stray ? stray->first.text() : waited_for->id.text();
      const std::string& why = is_stray ? stray->second.why : waited_for->storage_detail;
      co_return fail(Code::unavailable, "The home of this user is still being saved by sandbox " +
                                            id + "; try again later." +
                                            (why.empty() ? "" : " " + why));
    }
    // A save that failed again and again is tried after minutes only; not where somebody waits.
    for (const Sandbox& other : unsaved) {
      const auto failed = failed_.find(other.id);
      if (failed == failed_.end() || failed->second.pause <= kSaveRetryMin) continue;
      failed->second.until -= failed->second.pause - milliseconds(kSaveRetryMin);
      failed->second.pause = kSaveRetryMin;
    }
    co_await clock_.sleep(kWaitPoll);
  }
}

Task<Result<SyncReport>> HomeSync::down(Sandbox row) {
  CO_TRY(remote, co_await read_remote(row.user_id));
  SyncReport report{.bytes = bytes_of(remote)};
  if (report.bytes > settings_.home_bytes_max) {
    co_return fail(Code::too_large, "The home of this user has " + std::to_string(report.bytes) +
                                        " bytes; the limit is " +
                                        std::to_string(settings_.home_bytes_max) + ".");
  }
  CO_CHECK(co_await homes_.make(row.id, row.user_id));
  auto paths = files_of(remote);
  report.objects = static_cast<std::int64_t>(paths.size());
  if (!paths.empty()) {
    CO_CHECK(co_await storage_.fetch(hot(row.user_id), std::move(paths), homes_.folder(row.id)));
  }
  CO_CHECK(co_await homes_.finish(row.id, std::move(remote)));
  co_return report;
}

// The listing first: where the store does not work, it says best why.
Task<Result<HomeTree>> HomeSync::read_remote(std::string user_id) {
  CO_TRY(listing, co_await storage_.list(hot(user_id)));
  CO_TRY(manifest, co_await storage_.read_manifest(user_id));
  const std::size_t nodes = listing.size();
  auto merge = [manifest = manifest ? *std::move(manifest) : HomeTree(),
                listing = std::move(listing)] { return merge_listing(manifest, listing); };
  co_return co_await compute(nodes, std::move(merge));
}

Task<Result<void>> HomeSync::checkpoint(Sandbox row) {
  CO_CHECK(
      co_await alone(row, SyncDirection::checkpoint, [this, row] { return up_while_usable(row); }));
  co_return Result<void>();
}

// It may have ended while others had their turn.
Task<Result<SyncReport>> HomeSync::up_while_usable(Sandbox row) {
  CO_TRY(now, co_await store_.get(row.id));
  if (!is_usable(now.status)) co_return SyncReport{.was_needed = false};
  co_return co_await up(std::move(row), false);
}

Task<Result<SyncReport>> HomeSync::up(Sandbox row, bool at_rest) {
  CO_TRY(base, co_await homes_.base(row.id));
  CO_TRY(scan, co_await homes_.scan(row.id));
  CO_TRY(journal, co_await homes_.journal(row.id));
  if (scan.was_moving && !at_rest && !keep_missing(base, scan.tree)) {
    co_return fail(Code::unavailable, "The home was being rearranged while it was read.");
  }
  SyncReport report{.left_out = scan.left_out};
  auto look = [&] {
    report.left_out += fit(row.user_id, base, scan.tree);
    return is_same_home(base, scan.tree);
  };
  const bool is_same = co_await compute(scan.tree.size() + base.size(), look);
  // A home that goes is compared with the storage once more, whatever this disk remembers.
  if (!at_rest && journal.empty() && is_same) {
    report.was_needed = false;
    co_return report;
  }
  if (!journal.empty()) co_await drop_unfinished(row, journal);
  CO_TRY(remote, co_await read_remote(row.user_id));
  const std::string id = row.id.text();
  const bool is_in_doubt = at_rest && scan.is_after_restart;
  if (is_in_doubt) {
    CO_CHECK(co_await doubt(row, base, journal, remote, scan, report));
  }
  auto make_plan = [&] {
    note_ours(journal, remote, id);
    UploadPlan plan = plan_upload(base, scan.tree, remote, id);
    if (is_in_doubt) report.kept_beside += keep_replaced(plan, remote, scan.tree, id);
    // It may take minutes until all is sent: the plan alone is kept for that.
    for (HomeTree* tree : {&base, &scan.tree, &remote}) HomeTree().swap(*tree);
    return plan;
  };
  UploadPlan wanted = co_await compute(base.size() + scan.tree.size() + remote.size(), make_plan);
  CO_CHECK(co_await send(row, wanted, std::move(journal), report, at_rest));
  if (at_rest) CO_CHECK(co_await verify(row, wanted));
  CO_CHECK(co_await storage_.write_manifest(row.user_id, std::move(wanted.result)));
  CO_CHECK(co_await homes_.write_base(row.id, std::move(wanted.next_base)));
  co_return report;
}

// Nothing runs in this home since a crash that may have torn it.
Task<Result<void>> HomeSync::doubt(const Sandbox& row, const HomeTree& base,
                                   const HomeTree& journal, HomeTree& remote, HomeScan& scan,
                                   SyncReport& report) {
  const std::string id = row.id.text();
  auto judge = [&] {
    note_ours(journal, remote, id);
    return doubt_after_crash(base, remote, scan, id);
  };
  HomeDoubts doubts = co_await compute(base.size() + scan.tree.size(), judge);
  report.kept_stored = doubts.kept;
  report.kept_beside = doubts.beside.size();
  if (doubts.beside.empty()) co_return Result<void>();
  co_return co_await homes_.rename(row.id, std::move(doubts.beside));
}

// An earlier try was cut off. What it has left costs room, and no more: a failure is no obstacle.
Task<void> HomeSync::drop_unfinished(const Sandbox& row, const HomeTree& journal) {
  const auto dropped = co_await storage_.drop_unfinished(hot(row.user_id), files_of(journal));
  if (dropped) co_return;
  log::warning("what a sync that was cut off has left in the storage cannot be removed",
               {{"sandbox_id", row.id.text()},
                {"error", dropped.error().message},
                {"internal", dropped.error().internal}});
}

std::size_t HomeSync::fit(const std::string& user_id, const HomeTree& base, HomeTree& local) const {
  // What the storage cannot hold is told, not lost without a word.
  const std::size_t unholdable = std::erase_if(local, [&](const auto& entry) {
    return entry.second.kind == NodeKind::file && !storage_.can_hold(hot(user_id), entry.first);
  });
  // What a scan passes over is not gone.
  for (const auto& [path, node] : base) {
    if (!local.contains(path) && homes_.is_excluded(path, node.kind)) local.emplace(path, node);
  }
  return unholdable;
}

template <class F>
Task<std::invoke_result_t<F&>> HomeSync::compute(std::size_t nodes, F work) {
  if (nodes <= kNodesInlineMax) co_return work();
  auto elsewhere = [&work, nodes] {
    auto done = work();
    give_back_memory(nodes);
    return done;
  };
  co_return co_await offload(planner_, std::move(elsewhere));
}

// What is lost by a crash in the middle of this is nothing: others' versions are set aside first,
// and what was removed here goes last, since a file that was renamed is also one that was removed.
Task<Result<void>> HomeSync::send(const Sandbox& row, UploadPlan& plan, HomeTree journal,
                                  SyncReport& report, bool at_rest) {
  const StoragePlace place = hot(row.user_id);
  if (plan.changes_objects()) {
    // With what earlier tries may have sent: it is forgotten when a sync comes to its end.
    auto add = [&] {
      for (const auto& path : plan.put) journal.insert_or_assign(path, plan.result.at(path));
      return std::move(journal);
    };
    HomeTree both = co_await compute(plan.put.size(), add);
    CO_CHECK(co_await homes_.write_journal(row.id, std::move(both)));
  }
  for (const auto& [from, to] : plan.set_aside) {
    auto copied = co_await storage_.copy(place, from, to);
    if (!copied) co_return std::unexpected(copied.error());
    HomeNode& node = plan.result.at(to);
    node.tag = *std::move(copied);
  }
  // A file that makes room for a folder, or the other way round, has to go first.
  auto split = [&] { return split_removals(plan); };
  auto removals = co_await compute(plan.put.size() + plan.remove.size(), split);
  if (!removals.first.empty()) {
    CO_CHECK(co_await storage_.remove(place, std::move(removals.first)));
  }
  if (!plan.put.empty()) {
    CO_TRY(stored, co_await storage_.store(place, homes_.folder(row.id), plan.put));
    if (at_rest && stored.size() < plan.put.size()) {
      const auto lost = std::ranges::find_if(
          plan.put, [&](const std::string& path) { return !stored.contains(path); });
      co_return fail(Code::unavailable, "A file of the home cannot be read.", *lost);
    }
    // One that vanished meanwhile is for the next sync.
    auto note = [&] { return note_sent(plan, stored); };
    const SyncReport sent = co_await compute(plan.put.size(), note);
    report.objects += sent.objects;
    report.bytes += sent.bytes;
  }
  if (!removals.second.empty()) {
    CO_CHECK(co_await storage_.remove(place, std::move(removals.second)));
  }
  report.objects += static_cast<std::int64_t>(plan.remove.size() + plan.set_aside.size());
  co_return Result<void>();
}

// The store's own listing shows every file as it should be.
Task<Result<void>> HomeSync::verify(const Sandbox& row, const UploadPlan& plan) {
  CO_TRY(listing, co_await storage_.list(hot(row.user_id)));
  auto compare = [&]() -> Result<void> {
    for (const auto& [path, node] : plan.result) {
      if (node.kind != NodeKind::file) continue;
      const auto there = listing.find(path);
      if (there == listing.end() || there->second.tag != node.tag) {
        const std::string found = there == listing.end() ? "nothing" : there->second.tag;
        return fail(Code::unavailable, "The storage does not have all files of the home.",
                    path + ": " + found + " instead of " + node.tag);
      }
    }
    return {};
  };
  co_return co_await compute(plan.result.size(), compare);
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

  auto done = co_await alone(row, SyncDirection::up, [this, row] { return up(row, true); });
  if (!done) {
    Failed& failed = failed_[row.id];
    failed.pause = std::clamp<milliseconds>(failed.pause * 2, kSaveRetryMin, kSaveRetryMax);
    failed.until = clock_.uptime() + failed.pause;
    co_await registry_.note_storage(row.id, kHomesLoop, StorageState::active, done.error().message);
    co_return;
  }
  const auto noted =
      co_await registry_.note_storage(row.id, kHomesLoop, StorageState::saved, words_on(*done));
  if (!noted) co_return;  // saved once more later: that finds nothing to do
  failed_.erase(row.id);
  co_await forget(row.id);
}

Task<void> HomeSync::forget(SandboxId id) {
  const auto gone = co_await homes_.forget(id);
  if (!gone) {
    log::warning("home left on the disk", {{"sandbox_id", id.text()},
                                           {"error", gone.error().message},
                                           {"internal", gone.error().internal}});
  }
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
    Sync sync = [this, row] { return up(row, true); };
    const auto done = co_await alone(row, SyncDirection::up, std::move(sync));
    if (!done) {
      strays_[home.id].why = done.error().message;
      co_return std::unexpected(done.error());
    }
  }
  CO_CHECK(co_await homes_.forget(home.id));
  let_go_stray(home.id);
  co_return Result<void>();
}

}  // namespace matrx
