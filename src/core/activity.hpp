#pragma once
// When something last happened in each sandbox of this host, and what is happening now: in memory,
// because it changes with every request. The monitor writes it down now and then.

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "async/clock.hpp"
#include "async/notice.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"

namespace matrx {

class Activity {
 public:
  explicit Activity(const Clock& clock) : clock_(clock) {}

  // Something happened just now.
  void touch(const SandboxId& id) { entries_[id].last = clock_.uptime(); }

  // Something is happening, until the hold goes. The activity outlives it.
  class Hold {
   public:
    Hold(Activity& activity, SandboxId id) : activity_(&activity), id_(std::move(id)) {
      ++activity_->entries_[id_].busy;
      activity_->touch(id_);
    }
    Hold(Hold&& other) noexcept
        : activity_(std::exchange(other.activity_, nullptr)), id_(std::move(other.id_)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (activity_ == nullptr) return;
      --activity_->entries_[id_].busy;
      activity_->touch(id_);
    }

   private:
    Activity* activity_;
    SandboxId id_;
  };
  Hold hold(SandboxId id) { return {*this, std::move(id)}; }

  // Somebody is at the door, and is not in yet. Until it goes the sandbox is not idle; who was not
  // let in leaves no trace.
  class Knock {
   public:
    Knock(Activity& activity, SandboxId id) : activity_(activity), id_(std::move(id)) {
      ++activity_.at_the_door_[id_];
    }
    Knock(const Knock&) = delete;
    Knock& operator=(const Knock&) = delete;
    ~Knock() {
      const auto found = activity_.at_the_door_.find(id_);
      if (--found->second == 0) activity_.at_the_door_.erase(found);
    }

   private:
    Activity& activity_;
    SandboxId id_;
  };
  bool is_knocked_at(const SandboxId& id) const { return at_the_door_.contains(id); }

  // It is being decided whether it ends because nothing happens in it, until this goes.
  class Ending {
   public:
    Ending(Activity& activity, SandboxId id) : activity_(activity), id_(std::move(id)) {
      activity_.ending_.insert(id_);
    }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() {
      activity_.ending_.erase(id_);
      activity_.decided_.notify();
    }

   private:
    Activity& activity_;
    SandboxId id_;
  };

  bool is_ending(const SandboxId& id) const { return ending_.contains(id); }

  // Returns when nobody is deciding about its end.
  Task<bool> wait_decided(SandboxId id) {
    while (is_ending(id)) co_await decided_.wait(kIdleDecisionDeadline);
    co_return true;
  }

  // By the clock's uptime; now while something is happening. Nothing: not since we began.
  std::optional<milliseconds> last(const SandboxId& id) const {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return std::nullopt;
    return found->second.busy > 0 ? clock_.uptime() : found->second.last;
  }

  // Drops all but those that are alive and those with a hold.
  template <class Alive>
  void forget_all_but(const Alive& alive) {
    std::erase_if(entries_, [&](const auto& entry) {
      return entry.second.busy == 0 && !alive.contains(entry.first);
    });
  }

 private:
  struct Entry {
    milliseconds last{0};
    int busy = 0;
  };
  const Clock& clock_;
  std::unordered_map<SandboxId, Entry> entries_;
  std::unordered_map<SandboxId, int> at_the_door_;
  std::unordered_set<SandboxId> ending_;
  Notice decided_;
};

}  // namespace matrx
