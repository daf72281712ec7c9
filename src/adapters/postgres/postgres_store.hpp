#pragma once
// The registry in Postgres 13 or newer: for several orchestrators, and for readers besides us
// (row-level security, realtime). The schema is in migrations/; the daemon never changes it.
//
// Each change is one statement, so it needs no session and no explicit transaction.

#include <memory>
#include <string>

#include "adapters/postgres/pool.hpp"
#include "ports/store.hpp"

namespace matrx {

class PostgresStore : public Store {
 public:
  PostgresStore(std::string url, std::size_t connections_max, Clock& clock)
      : url_(std::move(url)), clock_(clock), pool_(url_, connections_max, clock) {}

  // invalid: what to do about it, in one sentence that names MATRX_DATABASE_URL or the migration to
  // apply. unavailable: the server is away; it may come. Never a password.
  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<TimePoint>> now() override;
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
  // Listens for notifications. Through a transaction pooler none arrive; then `limit` is the poll.
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
  Task<Result<void>> check_schema();
  Task<Error> why_refused(Error error);
  Task<Result<std::optional<Inserted>>> insert_once(const Sandbox& sandbox, const NewEvent& event,
                                                    const IdempotencyKey& key);
  Task<Result<void>> listen();

  std::string url_;
  Clock& clock_;
  postgres::Pool pool_;
  std::optional<milliseconds> wrote_at_;  // of the clock's uptime: a write that was tried
  std::unique_ptr<postgres::Connection> listener_;
};

}  // namespace matrx
