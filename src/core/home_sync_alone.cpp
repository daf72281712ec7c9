// One sync of a user at a time, over all orchestrators: tried again, told, accounted.

#include <algorithm>

#include "async/race.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "core/home_sync.hpp"

namespace matrx {
namespace {

constexpr auto kLeasePoll = milliseconds(200);

const char* name_of(SyncDirection direction) {
  return kSyncDirectionNames.at(static_cast<std::size_t>(direction));
}

// The next try would end as this one did.
bool is_hopeless(Code code) {
  return code == Code::too_large || code == Code::not_found || code == Code::invalid ||
         code == Code::conflict || code == Code::gone;
}

}  // namespace

Task<Result<SyncReport>> HomeSync::alone(Sandbox row, SyncDirection direction, Sync sync) {
  // Somebody waits for a home that comes down.
  const bool is_down = direction == SyncDirection::down;
  const milliseconds limit = is_down ? milliseconds(kCreateWait) : milliseconds(kSyncDeadline);
  const auto turn = co_await with_deadline(clock_, limit, turns_.take(row.user_id));
  if (!turn) {
    co_return fail(Code::unavailable,
                   "Another sandbox of this user is just saving its home, or getting it; try again "
                   "later.");
  }
  Slots& slots = is_down ? down_slots_ : up_slots_;
  const auto slot = co_await with_deadline(clock_, limit, slots.take());
  if (!slot) {
    co_return fail(Code::unavailable,
                   "Many homes are being brought to this host; try again later.");
  }
  const milliseconds began = clock_.uptime();
  milliseconds pause = kSyncRetryDelay;
  for (int tries = 1;; ++tries) {
    auto done = co_await with_lease(row.user_id, sync);
    const bool hopeless = !done && is_hopeless(done.error().code);
    if (done || hopeless || tries == kSyncTriesMax) {
      account(row, direction, done, tries, clock_.uptime() - began);
      co_return done;
    }
    if (tries == 1) co_await tell(row, direction, done.error());
    co_await clock_.sleep(pause);
    pause *= 2;
  }
}

// The last try may be minutes away: users and operators learn of the first one that failed.
Task<void> HomeSync::tell(const Sandbox& row, SyncDirection direction, const Error& error) {
  log::warning("home could not be synced; trying again", {{"sandbox_id", row.id.text()},
                                                          {"user_id", row.user_id},
                                                          {"direction", name_of(direction)},
                                                          {"error", error.message},
                                                          {"internal", error.internal}});
  if (direction == SyncDirection::down) co_return;  // its row tells where the create fails
  co_await registry_.note_storage(row.id, kHomesLoop, StorageState::active, error.message);
}

Task<Result<std::int64_t>> HomeSync::remove_storage(std::string user_id, std::vector<Tier> tiers,
                                                    Actor actor) {
  const auto turn = co_await with_deadline(clock_, kCreateWait, turns_.take(user_id));
  if (!turn) {
    co_return fail(Code::unavailable, "The home of this user is being saved; try again later.");
  }
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
  if (!active.sandboxes.empty()) {
    co_return fail(Code::conflict, "Sandbox " + active.sandboxes.front().id.text() +
                                       " of this user is using the storage; end it first.");
  }
  const auto stray = std::ranges::find_if(
      strays_, [&](const auto& entry) { return entry.second.user_id == user_id; });
  if (!unsaved.empty() || stray != strays_.end()) {
    const SandboxId& id = unsaved.empty() ? stray->first : unsaved.front().id;
    // What is saved of it later would come back after the deletion.
    co_return fail(Code::home_not_saved, "Sandbox " + id.text() +
                                             " of this user has ended, and its home is not saved "
                                             "yet: wait for that, or give it up first.");
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
  // Who has the registry alone has turns, and needs no two commits for each look at a home.
  if (!store_.is_shared()) co_return co_await within(clock_, kSyncDeadline, "The storage", work());
  const std::string lease = "home:" + user_id;
  const Patience patience(clock_, kHomeLockWait);
  LeaseAge age(clock_);
  for (;;) {
    age = LeaseAge(clock_);
    CO_TRY(ours, co_await store_.take_lease(lease, settings_.process, kHomeLockLease));
    if (ours) break;
    if (patience.is_over()) {
      co_return fail(Code::unavailable, "Another orchestrator is syncing this user's home.");
    }
    co_await clock_.sleep(kLeasePoll);
  }
  struct Held {
    std::unordered_map<std::string, LeaseAge>& leases;
    const std::string& user_id;
    ~Held() { leases.erase(user_id); }
  } const held{held_, user_id};
  held_.insert_or_assign(user_id, age);
  auto done = co_await unless_first(renew_while_ours(user_id),
                                    within(clock_, kSyncDeadline, "The storage", work()));
  // Given back only where it is ours for sure: otherwise somebody else's would be cut short.
  if (done) {
    co_await store_.take_lease(lease, settings_.process, milliseconds(0));
    co_return *std::move(done);
  }
  co_return fail(Code::unavailable, "The lock of this user's home was lost; trying again.");
}

// Ends before the lease may go to somebody else: also while the registry is being asked, and early
// enough for what is on its way to the storage to arrive.
Task<void> HomeSync::renew_while_ours(std::string user_id) {
  const std::string lease = "home:" + user_id;
  LeaseAge& age = held_.at(user_id);
  milliseconds pause = kHomeLockRenewal;
  for (;;) {
    co_await clock_.sleep(std::min(pause, age.left()));
    if (age.left() == milliseconds(0)) co_return;
    const LeaseAge asked(clock_);
    auto renewal = store_.take_lease(lease, settings_.process, kHomeLockLease);
    const auto ours = co_await with_deadline(clock_, age.left(), std::move(renewal));
    if (ours && *ours && !**ours) co_return;
    const bool renewed = ours && *ours;
    if (renewed) age = asked;
    pause = renewed ? milliseconds(kHomeLockRenewal) : milliseconds(kHomeLockRetry);
  }
}

Result<void> HomeSync::check_held(const std::string& user_id) const {
  const auto held = held_.find(user_id);
  if (!store_.is_shared()) return {};
  if (held != held_.end() && held->second.left() > milliseconds(0)) return {};
  return fail(Code::unavailable, "The lock of this user's home was lost; trying again.");
}

// Counted from when it was asked for: the registry may have begun to count then. By whichever clock
// has moved on the most: a machine that slept or stood still finds out by one of them.
milliseconds LeaseAge::left() const {
  const milliseconds passed =
      std::max(clock_->boot_time() - asked_at_, clock_->now() - wall_asked_at_);
  return std::max(milliseconds(kHomeLockLease) - kHomeLockMargin - passed, milliseconds(0));
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
              {"direction", name_of(direction)},
              {"objects", report.objects},
              {"bytes", report.bytes},
              {"left_out", report.left_out},
              {"excluded", report.excluded},
              {"held", report.held},
              {"duration_ms", took.count()},
              {"tries", tries},
              {"error", done ? "" : done.error().message},
              {"internal", done ? "" : done.error().internal}});
}

}  // namespace matrx
