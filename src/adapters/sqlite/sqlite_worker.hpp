#pragma once
// The blocking half of the SQLite store: every method runs on its worker thread.

#include <map>
#include <memory>
#include <string>

#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "base/descriptor.hpp"

namespace matrx {

class SqliteStore::Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();
  Result<void> open(const std::string& path);
  // `up`: of the clock's uptime.
  Result<void> ping(milliseconds up, TimePoint now);
  Result<Inserted> insert(Sandbox sandbox, const NewEvent& event,
                          const std::optional<IdempotencyKey>& key, TimePoint now);
  Result<std::optional<Sandbox>> find_claimed(const IdempotencyKey& key, TimePoint now);
  Result<Sandbox> get(const SandboxId& id);
  Result<Sandbox> update(Sandbox sandbox, TimePoint at, const NewEvent& event);
  Result<void> heartbeat(const SandboxId& id, TimePoint at);
  Result<void> note_active(const SandboxId& id, TimePoint at);
  Result<SandboxPage> list(const ListQuery& query);
  Result<std::vector<Sandbox>> list_active(const std::string& installation);
  Result<std::vector<SandboxId>> list_due(const std::string& installation, TimePoint now,
                                          int limit);
  Result<std::vector<Sandbox>> list_unsaved(const std::string& installation,
                                            const std::string& user_id, int limit);
  Result<std::int64_t> count_active(const std::string& installation);
  Result<std::vector<SandboxEvent>> events(const SandboxId& id);
  Result<void> append_event(const SandboxId& id, TimePoint at, const NewEvent& event);
  Result<FeedPage> feed(const std::string& after, int limit);
  Result<void> announce(const Host& host, const ClockMark& mark);
  Result<std::optional<ClockMark>> read_clock();
  // Moves what lives by the clock by `step`, together with the mark.
  Result<void> take_over_clock(const ClockMark& mark, milliseconds step);
  Result<void> note_clean(const std::string& installation, TimePoint at);
  Result<std::optional<Host>> host(const std::string& installation);
  Result<bool> take_lease(const std::string& name, const std::string& holder, TimePoint now,
                          TimePoint until);
  Result<std::vector<Sandbox>> list_deserted(TimePoint due, TimePoint silent_since, int limit);
  Result<int> prune(TimePoint ended_before, TimePoint unclean_before, int limit, TimePoint now);

 private:
  Result<void> write_clock(const ClockMark& mark);
  Result<void> move_lives(TimePoint now, milliseconds step);
  // Prepared once for each text; SQL texts are literals or built from a handful of parts.
  Result<sqlite::Statement*> prepared(const std::string& sql);
  Result<void> add_event(const SandboxId& id, TimePoint at, std::string_view status,
                         const NewEvent& event);
  Result<std::vector<Sandbox>> read_all(sqlite::Statement& statement);

  Result<void> test_write(TimePoint now);
  void keep_room();

  std::string path_;
  std::optional<Result<void>> tested_;  // whether a write came through
  milliseconds tested_at_{0};
  bool has_room_ = true;
  Descriptor lock_;  // closed after the database: that would end SQLite's own locks
  std::unique_ptr<sqlite::Database> database_;
  std::map<std::string, sqlite::Statement> statements_;
};

}  // namespace matrx
