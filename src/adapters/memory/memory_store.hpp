#pragma once
// The registry in memory: for trying things out and for tests. Ends with the process.

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "async/bell.hpp"
#include "async/steady_time.hpp"
#include "ports/store.hpp"

namespace matrx {

class MemoryStore : public Store {
 public:
  explicit MemoryStore(const Clock& clock);

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<TimePoint>> now() override;
  milliseconds clock_step() const override { return time_.step(); }
  bool is_shared() const override { return false; }
  Task<Result<Inserted>> insert(Sandbox sandbox, NewEvent event,
                                std::optional<IdempotencyKey> key) override;
  Task<Result<std::optional<Sandbox>>> find_claimed(IdempotencyKey key) override;
  Task<Result<Sandbox>> get(SandboxId id) override;
  Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) override;
  Task<Result<void>> heartbeat(SandboxId id, TimePoint at) override;
  Task<Result<void>> note_active(SandboxId id, TimePoint at) override;
  Task<Result<SandboxPage>> list(ListQuery query) override;
  Task<Result<std::vector<Sandbox>>> list_active(std::string installation) override;
  Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                int limit) override;
  Task<Result<std::vector<Sandbox>>> list_unsaved(std::string installation, std::string user_id,
                                                  int limit) override;
  Task<Result<std::int64_t>> count_active(std::string installation) override;
  Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) override;
  Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) override;
  Task<Result<FeedPage>> feed(std::string after, int limit) override;
  Task<void> wait_for_feed(milliseconds limit) override;
  Task<Result<void>> announce(std::string installation, std::string host_name) override;
  Task<Result<void>> note_clean(std::string installation, TimePoint at) override;
  Task<Result<std::optional<Host>>> host(std::string installation) override;
  Task<Result<bool>> take_lease(std::string name, std::string holder,
                                milliseconds duration) override;
  Task<Result<std::vector<Sandbox>>> list_deserted(TimePoint due, TimePoint silent_since,
                                                   int limit) override;
  Task<Result<int>> prune(TimePoint ended_before, TimePoint unclean_before, int limit) override;

 private:
  struct Entry {
    Sandbox row;
    std::vector<SandboxEvent> events;
  };

  struct Claim {
    std::string fingerprint;
    SandboxId id;
    TimePoint at;
  };
  struct Lease {
    std::string holder;
    TimePoint expires_at;
  };

  void append(Entry& entry, TimePoint at, NewEvent event);
  void drop_oldest_ended();
  bool may_forget(const Sandbox& row, TimePoint ended_before, TimePoint unclean_before) const;
  std::string cursor_at(std::int64_t event_id) const;

  mutable SteadyTime time_;
  std::optional<TimePoint> doubted_at_;  // when a new time of the host was taken over
  std::string life_;                     // marks cursors: they mean nothing to the next process
  std::map<SandboxId, Entry> entries_;
  std::deque<SandboxId> ended_;  // in order of their end
  std::map<std::string, Claim> claims_;
  std::map<std::string, Lease> leases_;
  std::map<std::string, Host> hosts_;
  std::map<std::string, TimePoint> clean_;  // by installation
  std::deque<FeedItem> feed_;               // the newest events
  std::int64_t last_event_id_ = 0;
  Bell appended_;
};

}  // namespace matrx
