#include "core/home_sync.hpp"

#include <algorithm>
#include <set>

#include "async/offload.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kSync{"loop:homes"};
constexpr auto kWaitPoll = milliseconds(200);

StoragePlace hot(const std::string& user_id) { return {.user_id = user_id, .tier = Tier::hot}; }

std::vector<std::string> files_of(const HomeTree& tree) {
  std::vector<std::string> paths;
  for (const auto& [path, node] : tree) {
    if (node.kind == NodeKind::file) paths.push_back(path);
  }
  return paths;
}

std::int64_t bytes_of(const HomeTree& tree) {
  std::int64_t bytes = 0;
  for (const auto& [path, node] : tree) bytes += node.size_bytes;
  return bytes;
}

// Tags and writers are the store's, not the disk's.
bool is_same_home(const HomeTree& base, const HomeTree& local) {
  return std::ranges::equal(base, local, [](const auto& a, const auto& b) {
    HomeNode node = b.second;
    node.tag = a.second.tag;
    node.writer = a.second.writer;
    if (node.kind == NodeKind::folder) node.size_bytes = a.second.size_bytes;
    return a.first == b.first && a.second == node;
  });
}

// Those that lie above or below something that is put, and all the others.
std::pair<std::vector<std::string>, std::vector<std::string>> split_removals(
    const UploadPlan& plan) {
  std::set<std::string> put(plan.put.begin(), plan.put.end());
  std::pair<std::vector<std::string>, std::vector<std::string>> split;
  for (const auto& path : plan.remove) {
    const auto below = put.lower_bound(path + "/");
    bool blocks = below != put.end() && below->starts_with(path + "/");
    for (auto slash = path.rfind('/'); slash != std::string::npos && !blocks;
         slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
      blocks = put.contains(path.substr(0, slash));
    }
    (blocks ? split.first : split.second).push_back(path);
  }
  return split;
}

std::string words_on_left_out(std::size_t left_out) {
  if (left_out == 0) return {};
  return std::to_string(left_out) +
         " entries of the home could not be kept: sockets, devices, pipes or names that are too "
         "long.";
}

}  // namespace

Task<Result<void>> HomeSync::bring_down(Sandbox row) {
  CO_CHECK(co_await wait_for_unsaved(row));
  CO_CHECK(co_await alone(row, SyncDirection::down, [this, row] { return down(row); }));
  co_return Result<void>();
}

// Homes of this user that other sandboxes have left and that are on their way to the storage.
Task<Result<void>> HomeSync::wait_for_unsaved(Sandbox row) {
  const Patience patience(clock_, kUnsavedWait);
  for (;;) {
    CO_TRY(unsaved, co_await store_.list_unsaved("", row.user_id, kUnsavedAtOnceMax));
    const Sandbox* waited_for = nullptr;
    for (const Sandbox& other : unsaved) {
      if (other.id == row.id) continue;
      CO_TRY(host, co_await store_.host(other.installation));
      CO_TRY(now, co_await store_.now());
      const bool here = other.installation == settings_.installation;
      if (here || (host && host->last_seen_at + kHostSilentAfter > now)) waited_for = &other;
    }
    if (waited_for == nullptr) co_return Result<void>();
    if (patience.is_over()) {
      co_return fail(
          Code::unavailable,
          "The home of this user is still being saved by sandbox " + waited_for->id.text() +
              "; try again later." +
              (waited_for->storage_detail.empty() ? "" : " " + waited_for->storage_detail));
    }
    co_await clock_.sleep(kWaitPoll);
  }
}

Task<Result<SyncReport>> HomeSync::down(Sandbox row) {
  CO_TRY(remote, co_await read_remote(row.user_id));
  SyncReport report{.bytes = bytes_of(remote)};
  if (report.bytes > settings_.home_bytes_max) {
    co_return fail(Code::too_large, "The home of this user has " + std::to_string(report.bytes) +
                                        " bytes; MATRX_HOT_SIZE_LIMIT allows " +
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

Task<Result<HomeTree>> HomeSync::read_remote(std::string user_id) {
  CO_TRY(manifest, co_await storage_.read_manifest(user_id));
  CO_TRY(listing, co_await storage_.list(hot(user_id)));
  co_return merge_listing(manifest.value_or(HomeTree()), listing);
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
  if (scan.was_moving && !at_rest) {
    co_return fail(Code::unavailable, "The home was being rearranged while it was read.");
  }
  // What the storage cannot hold is told, not lost without a word.
  const std::size_t unholdable = std::erase_if(scan.tree, [&](const auto& entry) {
    return entry.second.kind == NodeKind::file && !storage_.can_hold(hot(row.user_id), entry.first);
  });
  // What a scan passes over is not gone.
  for (const auto& [path, node] : base) {
    if (!scan.tree.contains(path) && homes_.is_excluded(path, node.kind)) {
      scan.tree.emplace(path, node);
    }
  }
  SyncReport report{.left_out = scan.left_out + unholdable};
  // A home that goes is compared with the storage once more, whatever this disk remembers.
  if (!at_rest && journal.empty() && is_same_home(base, scan.tree)) {
    report.was_needed = false;
    co_return report;
  }
  CO_TRY(remote, co_await read_remote(row.user_id));
  // Ours, from syncs that did not come to their end: objects that no manifest knows, at paths that
  // were being sent. Another sandbox's in the same state is still in that sandbox's home.
  for (const auto& [path, sent] : journal) {
    const auto there = remote.find(path);
    if (there == remote.end() || !there->second.writer.empty()) continue;
    if (there->second.size_bytes == sent.size_bytes) {
      const std::string tag = there->second.tag;
      there->second = sent;
      there->second.tag = tag;
    }
    there->second.writer = row.id.text();
  }
  auto wanted =
      co_await plan(std::move(base), std::move(scan.tree), std::move(remote), row.id.text());
  CO_CHECK(co_await send(row, wanted, std::move(journal), report, at_rest));
  if (at_rest) CO_CHECK(co_await verify(row, wanted));
  CO_CHECK(co_await storage_.write_manifest(row.user_id, std::move(wanted.result)));
  CO_CHECK(co_await homes_.write_base(row.id, std::move(wanted.next_base)));
  co_return report;
}

Task<UploadPlan> HomeSync::plan(HomeTree base, HomeTree local, HomeTree remote,
                                std::string sandbox_id) {
  if (base.size() + local.size() + remote.size() <= kNodesInlineMax) {
    co_return plan_upload(base, local, remote, sandbox_id);
  }
  auto work = [base = std::move(base), local = std::move(local), remote = std::move(remote),
               id = std::move(sandbox_id)] { return plan_upload(base, local, remote, id); };
  co_return co_await offload(planner_, std::move(work));
}

// What is lost by a crash in the middle of this is nothing: others' versions are set aside first,
// and what was removed here goes last, since a file that was renamed is also one that was removed.
Task<Result<void>> HomeSync::send(const Sandbox& row, UploadPlan& plan, HomeTree journal,
                                  SyncReport& report, bool at_rest) {
  const StoragePlace place = hot(row.user_id);
  if (plan.changes_objects()) {
    // With what earlier tries may have sent: it is forgotten when a sync comes to its end.
    for (const auto& path : plan.put) journal.insert_or_assign(path, plan.result.at(path));
    CO_CHECK(co_await homes_.write_journal(row.id, std::move(journal)));
  }
  for (const auto& [from, to] : plan.set_aside) {
    auto copied = co_await storage_.copy(place, from, to);
    if (!copied) co_return std::unexpected(copied.error());
    HomeNode& node = plan.result.at(to);
    node.tag = *std::move(copied);
  }
  // A file that makes room for a folder, or the other way round, has to go first.
  auto [in_the_way, rest] = split_removals(plan);
  if (!in_the_way.empty()) CO_CHECK(co_await storage_.remove(place, std::move(in_the_way)));
  if (!plan.put.empty()) {
    CO_TRY(stored, co_await storage_.store(place, homes_.folder(row.id), plan.put));
    for (const auto& path : plan.put) {
      const auto found = stored.find(path);
      if (found == stored.end()) {
        if (at_rest) {
          co_return fail(Code::unavailable, "A file of the home cannot be read.", path);
        }
        // It vanished meanwhile; the next sync will see that, and compares with what was before.
        const auto before = plan.before.find(path);
        plan.result.erase(path);
        plan.next_base.erase(path);
        if (before == plan.before.end()) continue;
        plan.result.emplace(path, before->second);
        plan.next_base.emplace(path, before->second);
        continue;
      }
      plan.result.at(path).tag = found->second;
      if (auto next = plan.next_base.find(path); next != plan.next_base.end()) {
        next->second.tag = found->second;
      }
      report.bytes += plan.result.at(path).size_bytes;
      ++report.objects;
    }
  }
  if (!rest.empty()) CO_CHECK(co_await storage_.remove(place, std::move(rest)));
  report.objects += static_cast<std::int64_t>(plan.remove.size() + plan.set_aside.size());
  co_return Result<void>();
}

// The store's own listing shows every file as it should be.
Task<Result<void>> HomeSync::verify(const Sandbox& row, const UploadPlan& plan) {
  CO_TRY(listing, co_await storage_.list(hot(row.user_id)));
  for (const auto& [path, node] : plan.result) {
    if (node.kind != NodeKind::file) continue;
    const auto there = listing.find(path);
    if (there == listing.end() || there->second.tag != node.tag) {
      co_return fail(Code::unavailable, "The storage does not have all files of the home.", path);
    }
  }
  co_return Result<void>();
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
    co_await registry_.note_storage(row.id, kSync, StorageState::active, done.error().message);
    co_return;
  }
  const auto noted = co_await registry_.note_storage(row.id, kSync, StorageState::saved,
                                                     words_on_left_out(done->left_out));
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

Task<Result<SyncReport>> HomeSync::alone(Sandbox row, SyncDirection direction, Sync sync) {
  const auto turn = co_await turns_.take(row.user_id);
  const auto slot = co_await slots_.take();
  const milliseconds began = clock_.uptime();
  milliseconds pause = kSyncRetryDelay;
  for (int tries = 1;; ++tries) {
    auto done = co_await with_lease(row.user_id, sync);
    const bool hopeless =
        !done && (done.error().code == Code::too_large || done.error().code == Code::not_found);
    if (done || hopeless || tries == kSyncTriesMax) {
      account(row, direction, done, tries, clock_.uptime() - began);
      co_return done;
    }
    co_await clock_.sleep(pause);
    pause *= 2;
  }
}

Task<Result<std::int64_t>> HomeSync::remove_storage(std::string user_id, std::vector<Tier> tiers,
                                                    Actor actor) {
  const auto turn = co_await turns_.take(user_id);
  std::function<Task<Result<std::int64_t>>()> work = [this, user_id, tiers] {
    return remove_unused(user_id, tiers);
  };
  auto removed = co_await with_lease(user_id, std::move(work));
  if (removed) {
    log::info("storage of a user deleted",
              {{"user_id", user_id}, {"objects", *removed}, {"actor", actor.text}});
  }
  co_return removed;
}

Task<Result<std::int64_t>> HomeSync::remove_unused(std::string user_id, std::vector<Tier> tiers) {
  // A create writes its row before it asks for the home, and then waits for our turn.
  ListQuery query{.user_id = user_id, .active_only = true};
  query.limit = 1;
  CO_TRY(active, co_await store_.list(std::move(query)));
  CO_TRY(unsaved, co_await store_.list_unsaved("", user_id, 1));
  if (!active.sandboxes.empty() || !unsaved.empty()) {
    const SandboxId& id =
        active.sandboxes.empty() ? unsaved.front().id : active.sandboxes.front().id;
    co_return fail(Code::conflict,
                   "Sandbox " + id.text() + " of this user is using the storage; end it first.");
  }
  std::int64_t removed = 0;
  for (const Tier tier : tiers) {
    CO_TRY(count, co_await storage_.remove_all({.user_id = user_id, .tier = tier}));
    removed += count;
  }
  co_return removed;
}

template <class T>
Task<Result<T>> HomeSync::with_lease(std::string user_id, std::function<Task<Result<T>>()> work) {
  using namespace asio::experimental::awaitable_operators;
  const std::string lease = "home:" + user_id;
  const Patience patience(clock_, kHomeLockWait);
  for (;;) {
    CO_TRY(ours, co_await store_.take_lease(lease, settings_.installation, kHomeLockLease));
    if (ours) break;
    if (patience.is_over()) {
      co_return fail(Code::unavailable, "Another orchestrator is syncing this user's home.");
    }
    co_await clock_.sleep(kWaitPoll);
  }
  auto first =
      co_await (within(clock_, kSyncDeadline, "The storage", work()) || renew_while_ours(lease));
  co_await store_.take_lease(lease, settings_.installation, milliseconds(0));
  if (first.index() == 1) {
    co_return fail(Code::unavailable, "The lock of this user's home was lost; trying again.");
  }
  co_return std::get<0>(std::move(first));
}

// Ends when the lease may have gone to somebody else.
Task<void> HomeSync::renew_while_ours(std::string lease) {
  milliseconds renewed_at = clock_.uptime();
  while (clock_.uptime() - renewed_at < kHomeLockLease) {
    co_await clock_.sleep(kHomeLockRenewal);
    const milliseconds asked_at = clock_.uptime();
    const auto ours = co_await store_.take_lease(lease, settings_.installation, kHomeLockLease);
    if (ours && *ours) renewed_at = asked_at;
    if (ours && !*ours) co_return;
  }
}

void HomeSync::account(const Sandbox& row, SyncDirection direction, const Result<SyncReport>& done,
                       int tries, milliseconds took) {
  auto& total = totals_.of(direction);
  total.retried += tries - 1;
  total.duration_ms += took.count();
  const SyncReport report = done.value_or(SyncReport());
  total.objects += report.objects;
  total.bytes += report.bytes;
  ++(done ? total.succeeded : total.failed);
  if (done && !report.was_needed) return;
  log::write(done ? log::Level::info : log::Level::warning,
             done ? "home synced" : "home could not be synced",
             {{"sandbox_id", row.id.text()},
              {"user_id", row.user_id},
              {"direction", kSyncDirectionNames.at(static_cast<std::size_t>(direction))},
              {"objects", report.objects},
              {"bytes", report.bytes},
              {"left_out", report.left_out},
              {"duration_ms", took.count()},
              {"tries", tries},
              {"error", done ? "" : done.error().message},
              {"internal", done ? "" : done.error().internal}});
}

}  // namespace matrx
