#pragma once
// What runs by itself: expiry, reconciliation, the engine's events, the store's feed. No timer
// holds truth: each round reads the store and the engine anew.

#include <string>
#include <unordered_set>

#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "core/caretaker.hpp"
#include "core/driver.hpp"
#include "core/feed.hpp"
#include "core/hosts.hpp"
#include "core/signals.hpp"

namespace matrx {

class Loops {
 public:
  Loops(Executor executor, const CoreSettings& settings, Registry& registry, Driver& driver,
        Signals& signals, Hosts& hosts, Feed& feed, Caretaker& caretaker, Store& store,
        Runtime& runtime, Clock& clock)
      : settings_(settings),
        registry_(registry),
        driver_(driver),
        signals_(signals),
        hosts_(hosts),
        feed_(feed),
        caretaker_(caretaker),
        store_(store),
        runtime_(runtime),
        clock_(clock),
        tasks_(executor) {}

  void start();
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

  // One round: compares every row with every container, and schedules what differs.
  Task<Result<void>> reconcile();

  // Containers that carry our labels and are in no registry, as of the last round.
  std::size_t strangers() const { return strangers_.size(); }

 private:
  Task<void> reconcile_for_ever();
  Task<void> expire_for_ever();
  Task<void> watch_for_ever();
  void notice(const FeedItem& item);
  void compare_instead_of_feed();
  Task<Result<std::vector<SandboxId>>> list_due();
  Task<void> reconcile_and_log();
  Task<Result<std::optional<TimePoint>>> look_at_unlisted(const Container& container,
                                                          std::unordered_set<std::string>& now);

  const CoreSettings& settings_;
  Registry& registry_;
  Driver& driver_;
  Signals& signals_;
  Hosts& hosts_;
  Feed& feed_;
  Caretaker& caretaker_;
  Store& store_;
  Runtime& runtime_;
  Clock& clock_;
  bool prepared_ = false;
  bool reconciling_ = false;
  std::unordered_set<std::string> strangers_;
  TaskGroup tasks_;
};

}  // namespace matrx
