#include "core/home_sync.hpp"

#include <algorithm>
#include <optional>

#include "async/offload.hpp"
#include "base/disk_room.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "core/home_doubts.hpp"
#include "core/home_trees.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr std::int64_t kSmallHomeBytes = 1024 * 1024;  // comes down wherever a sandbox is made

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

struct Committing {
  std::unordered_set<SandboxId>& ids;
  SandboxId id;
  ~Committing() { ids.erase(id); }
};

std::string words_on_held(std::size_t held) {
  if (held == 0) return {};
  return std::to_string(held) +
         " files of the home are held by programs, or grow while they are read; they are saved "
         "later.";
}

}  // namespace

Task<Result<SyncReport>> HomeSync::down(Sandbox row) {
  std::optional<Slots::Slot> large;
  auto read = co_await read_remote(row.user_id, large_down_, large);
  // Trying again would not help, and everybody may do something about it.
  if (!read && read.error().code == Code::invalid) {
    co_return fail(Code::conflict, "What the storage has of this user's home cannot be read: " +
                                       read.error().message +
                                       " It has to be deleted, or mended, first.");
  }
  if (!read) co_return std::unexpected(read.error());
  HomeTree& remote = *read;
  auto in_the_way = make_folders_of_files_in_the_way(remote);
  SyncReport report{.bytes = bytes_of(remote, storage_.keeps_holes()),
                    .left_out = in_the_way.size()};
  if (report.bytes > settings_.home_bytes_max) {
    co_return fail(Code::too_large, "The home of this user has " + std::to_string(report.bytes) +
                                        " bytes; the limit is " +
                                        std::to_string(settings_.home_bytes_max) +
                                        ". Some of it has to be deleted first.");
  }
  CO_CHECK(co_await check_room(report.bytes));
  CO_CHECK(co_await homes_.make(row.id, row.user_id));
  auto paths = files_of(remote);
  report.objects = static_cast<std::int64_t>(paths.size());
  if (!paths.empty()) {
    CO_CHECK(co_await storage_.fetch(hot(row.user_id), std::move(paths), homes_.folder(row.id),
                                     std::move(in_the_way)));
  }
  CO_CHECK(co_await homes_.finish(row.id, std::move(remote)));
  co_return report;
}

// Nobody else is to pay for a home that does not fit: what fills the disk ends a sandbox.
Task<Result<void>> HomeSync::check_room(std::int64_t bytes) {
  CO_TRY(rooms, co_await disk_.rooms(""));
  const DiskRoom& room = rooms.front();
  if (bytes <= kSmallHomeBytes || room.bytes_free - bytes >= left_to_others(room.bytes_total)) {
    co_return Result<void>();
  }
  co_return fail(Code::exhausted, "There is no room on this host for the home of this user, of " +
                                      std::to_string(bytes) + " bytes; try again later.");
}

// The listing first: where the store does not work, it says best why.
Task<Result<HomeTree>> HomeSync::read_remote(std::string user_id, Slots& slots,
                                             std::optional<Slots::Slot>& large) {
  CO_TRY(listing, co_await storage_.list(hot(user_id)));
  if (!large && listing.size() > kOrdinaryHomeNodes) large.emplace(co_await slots.take());
  auto manifest =
      co_await storage_.read_manifest(user_id, large ? kManifestBytesMax : kOrdinaryManifestBytes);
  if (!large && !manifest && manifest.error().code == Code::too_large) {
    large.emplace(co_await slots.take());
    manifest = co_await storage_.read_manifest(user_id, kManifestBytesMax);
  }
  if (!manifest) co_return std::unexpected(manifest.error());
  const std::size_t nodes = listing.size();
  auto merge = [manifest = std::move(*manifest).value_or(HomeTree()),
                listing = std::move(listing)] { return merge_listing(manifest, listing); };
  co_return co_await compute(nodes, std::move(merge));
}

HomeSync::Wanted::Wanted(HomeSync& sync, std::string user_id)
    : sync_(sync), user_id_(std::move(user_id)) {
  ++sync_.wanted_[user_id_];
  sync_.create_came_.notify();
}

HomeSync::Wanted::~Wanted() {
  const auto found = sync_.wanted_.find(user_id_);
  if (--found->second == 0) sync_.wanted_.erase(found);
}

// Somebody waits for a create, and nobody for a checkpoint: that can be done again, since its
// journal tells what it has sent. But not for ever, where a user's sandboxes come one after the
// other.
Task<Result<std::string>> HomeSync::checkpoint(Sandbox row) {
  Sync sync = [this, row] { return up_while_usable(row); };
  auto work = alone(row, SyncDirection::checkpoint, std::move(sync));
  auto done = co_await unless_first(wait_for_create(row), std::move(work));
  if (!done) {
    ++yields_[row.id];
    co_return fail(Code::cancelled, "A sandbox of this user is being created first.");
  }
  yields_.erase(row.id);
  CO_TRY(report, *std::move(done));
  co_return words_on_held(report.held);
}

Task<void> HomeSync::wait_for_create(Sandbox row) {
  const auto known = yields_.find(row.id);
  const bool gives_way = known == yields_.end() || known->second < kCheckpointYieldsMax;
  // What is complete but for its last word is not given up.
  while (!gives_way || !wanted_.contains(row.user_id) || committing_.contains(row.id)) {
    co_await create_came_.wait(kSyncDeadline);
  }
}

// It may have ended while others had their turn.
Task<Result<SyncReport>> HomeSync::up_while_usable(Sandbox row) {
  CO_TRY(now, co_await store_.get(row.id));
  if (!is_usable(now.status)) co_return SyncReport{.was_needed = false};
  co_return co_await up(std::move(row), Extent::checkpoint);
}

// Homes of ordinary size are looked at side by side; a large one shows before it has cost much, and
// waits until it may cost more.
Task<Result<HomeScan>> HomeSync::read_home(SandboxId id, Extent extent,
                                           std::optional<Slots::Slot>& large) {
  if (!large) {
    auto scan = co_await homes_.scan(id, ScanReach::ordinary);
    if (!scan || !scan->is_cut) co_return scan;
  }
  if (!large) large.emplace(co_await large_up_.take());
  co_return co_await homes_.scan(
      id, extent == Extent::what_fits ? ScanReach::fitting : ScanReach::whole);
}

Result<void> HomeSync::check_size(const HomeScan& scan, Extent extent) const {
  const std::int64_t zeros = storage_.keeps_holes() ? 0 : scan.hole_bytes;
  const bool fits = add_capped(scan.bytes, zeros) <= settings_.home_bytes_max;
  if (fits || extent == Extent::what_fits) return {};
  std::string words =
      "The home has more than " + std::to_string(settings_.home_bytes_max) + " bytes";
  if (zeros > 0) {
    words += ", with " + std::to_string(zeros) +
             " bytes of holes in sparse files, which this storage keeps as zeros";
  }
  return fail(Code::too_large, words + ".");
}

Task<Result<SyncReport>> HomeSync::up(Sandbox row, Extent extent) {
  const bool at_rest = extent != Extent::checkpoint;
  std::optional<Slots::Slot> large;
  CO_TRY(noted, co_await homes_.noted_bytes(row.id));
  if (noted > static_cast<std::int64_t>(kOrdinaryManifestBytes)) {
    large.emplace(co_await large_up_.take());
  }
  auto base_read = co_await homes_.base(row.id);
  // Not as what the storage may be without for a while.
  if (!base_read && base_read.error().code == Code::not_found) {
    co_return fail(Code::invalid, "The home is gone from the disk of its host.");
  }
  if (!base_read) co_return std::unexpected(base_read.error());
  HomeTree& base = *base_read;
  CO_TRY(scan, co_await read_home(row.id, extent, large));
  CO_CHECK(check_size(scan, extent));
  CO_TRY(journal, co_await homes_.journal(row.id));
  const bool is_partial = (scan.was_moving && !at_rest) || scan.is_cut;
  if (is_partial && !keep_missing(base, scan.tree)) {
    co_return fail(Code::unavailable, "The home was being rearranged while it was read.");
  }
  SyncReport report{.left_out = scan.left_out, .excluded = scan.excluded};
  auto look = [&] {
    report.left_out += fit(row.user_id, base, scan.tree, extent);
    return is_same_home(base, scan.tree);
  };
  const bool is_same = co_await compute(scan.tree.size() + base.size(), look);
  // A home that goes is compared with the storage once more, whatever this disk remembers.
  if (!at_rest && journal.empty() && is_same) {
    report.was_needed = false;
    co_return report;
  }
  if (!journal.empty()) co_await drop_unfinished(row, journal);
  CO_TRY(remote, co_await read_remote(row.user_id, large_up_, large));
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
  CO_CHECK(check_held(row.user_id));
  committing_.insert(row.id);
  const Committing committing{committing_, row.id};
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

std::size_t HomeSync::fit(const std::string& user_id, const HomeTree& base, HomeTree& local,
                          Extent extent) const {
  // What the storage cannot hold is told, not lost without a word.
  std::size_t unholdable = std::erase_if(local, [&](const auto& entry) {
    return entry.second.kind == NodeKind::file && !storage_.can_hold(hot(user_id), entry.first);
  });
  if (extent == Extent::what_fits) {
    const auto taken =
        take_out_what_does_not_fit(local, settings_.home_bytes_max, storage_.keeps_holes());
    unholdable += taken.size();
    // What the storage has of them from before stays there.
    for (const auto& path : taken) {
      const auto before = base.find(path);
      if (before != base.end()) local.insert(*before);
    }
  }
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
    CO_CHECK(check_held(row.user_id));
    auto copied = co_await storage_.copy(place, from, to);
    if (!copied) co_return std::unexpected(copied.error());
    HomeNode& node = plan.result.at(to);
    node.tag = *std::move(copied);
  }
  // A file that makes room for a folder, or the other way round, has to go first.
  auto split = [&] { return split_removals(plan); };
  auto removals = co_await compute(plan.put.size() + plan.remove.size(), split);
  if (!removals.first.empty()) {
    CO_CHECK(check_held(row.user_id));
    CO_CHECK(co_await storage_.remove(place, std::move(removals.first)));
  }
  if (!plan.put.empty()) {
    CO_CHECK(check_held(row.user_id));
    CO_TRY(stored, co_await store_all(row, plan, at_rest));
    if (at_rest && stored.tags.size() < plan.put.size()) {
      const auto lost = std::ranges::find_if(
          plan.put, [&](const std::string& path) { return !stored.tags.contains(path); });
      co_return fail(Code::unavailable, "A file of the home cannot be read.", *lost);
    }
    // One that vanished meanwhile, or is held, is for the next sync.
    auto note = [&] { return note_sent(plan, stored.tags); };
    const SyncReport sent = co_await compute(plan.put.size(), note);
    report.held = stored.held;
    report.objects += sent.objects;
    report.bytes += sent.bytes;
  }
  if (!removals.second.empty()) {
    CO_CHECK(check_held(row.user_id));
    CO_CHECK(co_await storage_.remove(place, std::move(removals.second)));
  }
  report.objects += static_cast<std::int64_t>(plan.remove.size() + plan.set_aside.size());
  co_return Result<void>();
}

// In pieces, so that a checkpoint whose files take long gives others its place. The journal knows
// what has been sent: the next one goes on from there.
Task<Result<Storage::Stored>> HomeSync::store_all(const Sandbox& row, const UploadPlan& plan,
                                                  bool at_rest) {
  const Patience patience(clock_, kCheckpointMax);
  const bool keeps_holes = storage_.keeps_holes();
  Storage::Stored all;
  for (std::size_t done = 0; done < plan.put.size();) {
    CO_CHECK(check_held(row.user_id));
    if (done > 0 && !at_rest && patience.is_over()) {
      co_return fail(Code::timeout, "There is much to send; the next checkpoint goes on with it.");
    }
    const std::size_t count = std::min(kSentAtOnceFilesMax, plan.put.size() - done);
    const auto first = plan.put.begin() + static_cast<std::ptrdiff_t>(done);
    std::vector<std::string> paths(first, first + static_cast<std::ptrdiff_t>(count));
    // Where holes are zeros, a file that is made larger meanwhile would be sent for ever.
    const std::int64_t bytes_max = keeps_holes ? INT64_MAX : settings_.home_bytes_max;
    auto store = at_rest ? storage_.store_at_rest(hot(row.user_id), homes_.folder(row.id),
                                                  std::move(paths), bytes_max)
                         : storage_.store(hot(row.user_id), homes_.folder(row.id), std::move(paths),
                                          bytes_max);
    CO_TRY(stored, co_await std::move(store));
    all.tags.merge(stored.tags);
    all.held += stored.held;
    done += count;
  }
  co_return all;
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

}  // namespace matrx
