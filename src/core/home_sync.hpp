#pragma once
// A home's way: down from the storage before its sandbox is ready, up as a checkpoint while it
// runs and when it has ended. Nothing that was in a home is lost, whatever fails in between: the
// home stays on this disk until the storage has it all.

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "async/clock.hpp"
#include "async/notice.hpp"
#include "async/task_group.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "core/home_plan.hpp"
#include "core/registry.hpp"
#include "core/settings.hpp"
#include "core/sync_report.hpp"
#include "ports/disk.hpp"
#include "ports/homes.hpp"
#include "ports/storage.hpp"

namespace matrx {

inline const Actor kHomesLoop{"loop:homes"};  // who notes what became of a home

// How long work under a lease may go on that was asked for when this was made.
class LeaseAge {
 public:
  explicit LeaseAge(const Clock& clock)
      : clock_(&clock), asked_at_(clock.boot_time()), wall_asked_at_(clock.now()) {}
  milliseconds left() const;

 private:
  const Clock* clock_;
  milliseconds asked_at_;
  TimePoint wall_asked_at_;
};

class HomeSync {
 public:
  HomeSync(Executor executor, const CoreSettings& settings, Registry& registry, Store& store,
           Storage& storage, Homes& homes, Disk& disk, Clock& clock)
      : settings_(settings),
        registry_(registry),
        store_(store),
        storage_(storage),
        homes_(homes),
        disk_(disk),
        clock_(clock),
        tasks_(executor) {}
  ~HomeSync() { planner_.join(); }

  // Brings the user's home to this disk, complete. Waits for sandboxes of that user whose homes are
  // still to be saved; what a lost host has not saved is not waited for, nor is what can never be
  // saved, or could not for kUnsavedBlocks: its host keeps it, and when it is saved after all it
  // comes beside what others have made meanwhile.
  // unavailable: they are not saved in time, or the storage does not work. too_large.
  // home_not_saved: kUnsavedOfUserMax of them could not be saved; one has to be given up.
  // conflict: what the storage has is no home.
  Task<Result<void>> bring_down(Sandbox row);

  // Sends what has changed. Where nothing has changed the storage is not asked. Answers words on
  // what programs did not let go; mostly none.
  // cancelled: a create of that user goes first; to be repeated.
  Task<Result<std::string>> checkpoint(Sandbox row);

  // Saves the home of a sandbox in which nothing runs any more, notes that in its row and frees the
  // disk. Returns when that is done, or the patience is over: then it goes on in the background.
  // One that failed a short while ago is not tried again yet.
  Task<void> save(Sandbox row, milliseconds patience);

  // Frees the disk of a home that needs no saving.
  Task<void> forget(SandboxId id);

  // The way out of a home that is not saved: what the storage does not have of it is lost. Where it
  // is saved, or given up, there is nothing to do. conflict: the sandbox has not ended.
  // unavailable: it is being saved at this moment.
  Task<Result<void>> give_up(SandboxId id, Actor actor);

  // As it is, the storage can never have all of it: it is too large, or not to be read.
  bool can_never_be_saved(const SandboxId& id) const {
    const auto failed = failed_.find(id);
    return failed != failed_.end() && failed->second.is_lasting;
  }
  // The same, for so long in this life: dates alone may be those of a clock that was set.
  bool was_hopeless_for(const SandboxId& id, milliseconds duration) const {
    const auto failed = failed_.find(id);
    return failed != failed_.end() && failed->second.is_lasting &&
           clock_.uptime() - failed->second.lasting_since >= duration;
  }

  // A home that no row knows: creates of its user wait for it, as for those of sandboxes, until it
  // is saved, which also frees the disk, or is let go.
  void expect_stray(const KeptHome& home) {
    const auto [at, is_new] = strays_.try_emplace(home.id);
    at->second.user_id = home.user_id;
    if (is_new) at->second.since = clock_.uptime();
  }
  void let_go_stray(const SandboxId& id) { strays_.erase(id); }
  Task<Result<void>> save_stray(KeptHome home);
  std::int64_t strays() const { return static_cast<std::int64_t>(strays_.size()); }

  // Deletes what the storage has of the user in these tiers; answers how many objects.
  // conflict: a sandbox of that user is active. home_not_saved: one has ended, and its home has
  // still to be saved, or to be given up.
  Task<Result<std::int64_t>> remove_storage(std::string user_id, std::vector<Tier> tiers,
                                            Actor actor);

  const SyncTotals& totals() const { return totals_; }

  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

 private:
  struct Saving {
    bool is_over = false;
    Notice over;
  };
  struct Failed {
    milliseconds pause{0};
    milliseconds until{0};          // of the clock's uptime
    bool is_lasting = false;        // it will fail again
    milliseconds lasting_since{0};  // of the clock's uptime
    bool has_fitted = false;        // what can be saved of it is
  };
  struct Stray {
    std::string user_id;
    std::string why;          // it is not saved yet
    milliseconds since{0};    // of the clock's uptime
    bool is_lasting = false;  // it will fail again
  };
  enum class Extent { checkpoint, all, what_fits };  // of a sync up; the last two: nothing runs
  // Creates of a user that want its turn, as long as this lives.
  class Wanted {
   public:
    Wanted(HomeSync& sync, std::string user_id);
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;
    ~Wanted();

   private:
    HomeSync& sync_;
    std::string user_id_;
  };
  using Sync = std::function<Task<Result<SyncReport>>()>;

  // As a create sees them.
  struct Unsaved {
    std::string waited_for;  // a sandbox; empty: none
    std::size_t passed = 0;  // that it goes on without
    std::string one_passed;  // of these
    std::string why;
  };

  Task<Result<void>> wait_for_unsaved(Sandbox row);
  Task<Result<Unsaved>> look_at_unsaved(std::string user_id, const std::vector<Sandbox>& rows,
                                        const std::set<SandboxId>& awaited, bool is_patient);
  Result<void> check_size(const HomeScan& scan, Extent extent) const;
  Task<Result<SyncReport>> down(Sandbox row);
  Task<Result<void>> check_room(std::int64_t bytes);
  Task<Result<SyncReport>> up(Sandbox row, Extent extent);
  Task<Result<SyncReport>> up_while_usable(Sandbox row);
  Task<Result<SyncReport>> up_while_unsaved(Sandbox row, Extent extent);
  Task<Result<HomeScan>> read_home(SandboxId id, Extent extent, std::optional<Slots::Slot>& large);
  Task<Result<SyncReport>> up_if_stray(Sandbox row);
  Task<void> remove_from_disk(SandboxId id);
  Task<bool> save_what_fits(const Sandbox& row);
  Task<Result<void>> note_given_up(SandboxId id, Actor actor);
  Task<void> wait_for_create(Sandbox row);
  Task<Result<std::int64_t>> remove_unused(std::string user_id, std::vector<Tier> tiers);
  static Task<bool> wait_until_over(std::shared_ptr<Saving> saving);
  Task<Result<HomeTree>> read_remote(std::string user_id, Slots& slots,
                                     std::optional<Slots::Slot>& large);
  Task<Result<void>> doubt(const Sandbox& row, const HomeTree& base, const HomeTree& journal,
                           HomeTree& remote, HomeScan& scan, SyncReport& report);
  Task<void> drop_unfinished(const Sandbox& row, const HomeTree& journal);
  Task<Result<void>> send(const Sandbox& row, UploadPlan& plan, HomeTree journal,
                          SyncReport& report, bool at_rest);
  Task<Result<Storage::Stored>> store_all(const Sandbox& row, const UploadPlan& plan, bool at_rest);
  // Answers how many files the storage cannot hold: they are taken out.
  std::size_t fit(const std::string& user_id, const HomeTree& base, HomeTree& local,
                  Extent extent) const;
  Task<Result<void>> verify(const Sandbox& row, const UploadPlan& plan);
  // Runs the plain function here, or on another thread where so many nodes would hold up this one.
  template <class F>
  Task<std::invoke_result_t<F&>> compute(std::size_t nodes, F work);
  Task<void> save_in_background(Sandbox row, std::shared_ptr<Saving> saving);

  // Tries it up to kSyncTriesMax times, alone for this user over all orchestrators.
  Task<Result<SyncReport>> alone(Sandbox row, SyncDirection direction, Sync sync);
  Task<void> tell(const Sandbox& row, SyncDirection direction, const Error& error);
  template <class T>
  Task<Result<T>> with_lease(std::string user_id, std::function<Task<Result<T>>()> work);
  Task<void> renew_while_ours(std::string user_id);
  // unavailable: the lease of that home may be somebody else's by now. Asked before each change of
  // the storage: who stood still goes on before any timer tells.
  Result<void> check_held(const std::string& user_id) const;
  void account(const Sandbox& row, SyncDirection direction, const Result<SyncReport>& done,
               int tries, milliseconds took);

  const CoreSettings& settings_;
  Registry& registry_;
  Store& store_;
  Storage& storage_;
  Homes& homes_;
  Disk& disk_;
  Clock& clock_;
  Turns turns_;  // by user
  // A create waits for its home: not behind all the homes that are on their way up.
  Slots down_slots_{kSyncsAtOnceMax}, up_slots_{kSyncsAtOnceMax};
  // Those with large trees, so that all syncs together have a bound in bytes as well.
  Slots large_down_{kLargeSyncsAtOnceMax}, large_up_{kLargeSyncsAtOnceMax};
  std::unordered_map<SandboxId, std::shared_ptr<Saving>> saving_;
  std::unordered_map<SandboxId, Failed> failed_;
  std::unordered_map<SandboxId, Stray> strays_;
  std::unordered_map<std::string, int> wanted_;  // creates, by user
  Notice create_came_;
  std::unordered_map<std::string, LeaseAge> held_;  // leases, by user
  std::unordered_map<SandboxId, int> yields_;       // of checkpoints, in a row
  std::unordered_set<SandboxId> committing_;        // the manifest is on its way
  SyncTotals totals_;
  asio::thread_pool planner_{2};
  TaskGroup tasks_;
};

}  // namespace matrx
