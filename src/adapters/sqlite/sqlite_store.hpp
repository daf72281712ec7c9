#pragma once
// The registry in a SQLite file: the right store for one host.
//
// One connection on one worker thread; WAL, so that backups can read meanwhile; synchronous=FULL,
// so that an intent that was written survives a loss of power.

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>

#include "async/bell.hpp"
#include "async/steady_time.hpp"
#include "ports/store.hpp"

namespace matrx {

class SqliteStore : public Store {
 public:
  SqliteStore(std::string path, const Clock& clock);
  ~SqliteStore() override;

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<TimePoint>> now() override;
  milliseconds clock_step() const override;
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

  // What the registry knows of its host's clock.
  struct ClockMark {
    std::string boot;
    milliseconds offset{0};  // of SteadyTime
    TimePoint seen_at;
    std::optional<TimePoint> doubted_at;
  };

 private:
  class Worker;

  template <class F>
  auto on_worker(F function) -> Task<std::invoke_result_t<F&, Worker&>>;

  std::string path_;
  const Clock& clock_;
  SteadyTime time_;
  std::optional<TimePoint> doubted_at_;  // when a new time of the host was taken over
  Bell appended_;                        // this process is the only one that writes
  std::unique_ptr<Worker> worker_;       // touched by the worker thread only
  asio::thread_pool thread_{1};
};

}  // namespace matrx
