// What ports/store.hpp promises, held against every store.

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "adapters/memory/memory_store.hpp"
#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "async/task_group.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

const TimePoint kBegin = from_unix_ms(1'700'000'000'000);
constexpr const char* kHost = "inst-1";

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-store-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file() const { return (path_ / "registry.db").string(); }

 private:
  std::filesystem::path path_;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Store>(const TempFolder&)> make;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class StoreContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    store_ = GetParam().make(folder_);
    ASSERT_TRUE(run_task(store_->open()));
  }

  Sandbox new_row(std::string user = "user-1") {
    Sandbox row;
    row.id = SandboxId::make(random_);
    row.user_id = std::move(user);
    row.image = "image";
    row.template_id = "default";
    row.installation = kHost;
    row.created_at = row.updated_at = kBegin + seconds(made_++);
    row.expires_at = row.created_at + seconds(60);
    row.ttl_seconds = 60;
    return row;
  }
  Sandbox insert(Sandbox row) {
    return run_task(store_->insert(std::move(row), {.type = "created", .actor = "test"})).value();
  }
  Sandbox update(Sandbox row) {
    return run_task(store_->update(row, kBegin + seconds(500), {.type = "changed"})).value();
  }
  Sandbox in_status(Status status) {
    Sandbox row = insert(new_row());
    row.status = status;
    return update(row);
  }
  Sandbox get(const SandboxId& id) { return run_task(store_->get(id)).value(); }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  SeededRandom random_{7};
  int made_ = 0;
};

TEST_P(StoreContract, KeepsEveryField) {
  Sandbox row = new_row();
  row.status = Status::shutting_down;
  row.container_id = "c-1";
  row.name = "näme 'quoted\"";
  row.labels = {{"a", "1"}, {"b", "two words"}};
  row.config_json = R"({"k":[1,2,{"x":null}]})";
  row.resources = {.cpu = 1.5, .memory_bytes = 1LL << 33, .pids = 99};
  row.hot_path = "/home/agent";
  row.cold_path = "/data/cold";
  row.stop_reason = StopReason::admin;
  row.stop_graceful = true;
  row.stop_deadline_at = kBegin + seconds(9);
  row.stopped_at = kBegin + seconds(10);
  row.status_detail = "why";
  row = insert(row);
  EXPECT_EQ(row.version, 1);
  EXPECT_EQ(get(row.id), row);
}

TEST_P(StoreContract, AnIdIsTakenOnce) {
  const Sandbox row = insert(new_row());
  EXPECT_EQ(run_task(store_->insert(row, {})).error().code, Code::conflict);
}

TEST_P(StoreContract, UnknownIdsAreNotFound) {
  const Sandbox row = new_row();
  EXPECT_EQ(run_task(store_->get(row.id)).error().code, Code::not_found);
  EXPECT_EQ(run_task(store_->update(row, kBegin, {})).error().code, Code::not_found);
  EXPECT_EQ(run_task(store_->heartbeat(row.id, kBegin)).error().code, Code::not_found);
  EXPECT_EQ(run_task(store_->append_event(row.id, kBegin, {})).error().code, Code::not_found);
  EXPECT_TRUE(run_task(store_->events(row.id)).value().empty());
}

TEST_P(StoreContract, TheFasterChangeWins) {
  const Sandbox seen = insert(new_row());
  Sandbox first = seen, second = seen;
  first.status = Status::starting;
  second.status = Status::failed;
  EXPECT_EQ(update(first).version, 2);
  EXPECT_EQ(run_task(store_->update(second, kBegin, {})).error().code, Code::conflict);
  EXPECT_EQ(get(seen.id).status, Status::starting);
  EXPECT_EQ(get(seen.id).updated_at, kBegin + seconds(500));
  EXPECT_EQ(run_task(store_->events(seen.id)).value().size(), 2U);  // the loser left no trace
}

TEST_P(StoreContract, OfManyAtOnceEachChangeCountsOnce) {
  const Sandbox row = insert(new_row());
  asio::io_context io(1);
  int won = 0;
  auto one = [&]() -> Task<void> {
    for (;;) {
      auto seen = co_await store_->get(row.id);
      seen->ttl_seconds += 1;
      const auto changed = co_await store_->update(*seen, kBegin, {});
      if (!changed) continue;
      ++won;
      co_return;
    }
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < 20; ++i) group.spawn("one", one());
    co_await group.join();
  };
  run_task(io, all());
  EXPECT_EQ(won, 20);
  EXPECT_EQ(get(row.id).ttl_seconds, 80);
  EXPECT_EQ(get(row.id).version, 21);
}

TEST_P(StoreContract, AHeartbeatIsNoChange) {
  Sandbox row = insert(new_row());
  ASSERT_TRUE(run_task(store_->heartbeat(row.id, kBegin + seconds(5))));
  EXPECT_EQ(get(row.id).version, 1);
  EXPECT_EQ(get(row.id).last_heartbeat_at, kBegin + seconds(5));
  row.status = Status::starting;  // read before the heartbeat: must not undo it
  EXPECT_EQ(update(row).last_heartbeat_at, kBegin + seconds(5));
  EXPECT_EQ(get(row.id).last_heartbeat_at, kBegin + seconds(5));
}

TEST_P(StoreContract, TheDeadHaveNoHeartbeat) {
  const Sandbox row = in_status(Status::stopped);
  EXPECT_EQ(run_task(store_->heartbeat(row.id, kBegin)).error().code, Code::conflict);
}

TEST_P(StoreContract, PagesAreCompleteAndNewestFirst) {
  for (int i = 0; i < 7; ++i) insert(new_row());
  Sandbox twin = new_row();
  twin.created_at = kBegin + seconds(3);  // the same moment as another one
  insert(twin);
  std::vector<Sandbox> seen;
  std::string cursor;
  do {
    ListQuery query;
    query.limit = 3;
    query.cursor = cursor;
    const auto page = run_task(store_->list(query)).value();
    EXPECT_EQ(page.total, 8);
    EXPECT_LE(page.sandboxes.size(), 3U);
    seen.insert(seen.end(), page.sandboxes.begin(), page.sandboxes.end());
    cursor = page.next_cursor;
  } while (!cursor.empty());
  ASSERT_EQ(seen.size(), 8U);
  std::set<SandboxId> ids;
  for (const auto& row : seen) ids.insert(row.id);
  EXPECT_EQ(ids.size(), 8U);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_GE(seen[i - 1].created_at, seen[i].created_at);
  }
}

TEST_P(StoreContract, ListsWhatWasAskedFor) {
  Sandbox labelled = new_row("user-2");
  labelled.labels = {{"team", "red"}, {"x", "y"}};
  insert(labelled);
  insert(new_row("user-1"));
  in_status(Status::stopped);
  const auto total = [&](ListQuery query) { return run_task(store_->list(query)).value().total; };
  EXPECT_EQ(total({}), 3);
  EXPECT_EQ(total({.user_id = "user-2"}), 1);
  EXPECT_EQ(total({.user_id = "nobody"}), 0);
  EXPECT_EQ(total({.status = Status::stopped}), 1);
  EXPECT_EQ(total({.active_only = true}), 2);
  EXPECT_EQ(total({.label = std::pair("team", "red")}), 1);
  EXPECT_EQ(total({.label = std::pair("team", "blue")}), 0);
  EXPECT_EQ(run_task(store_->list({.cursor = "odd"})).error().code, Code::invalid);
}

TEST_P(StoreContract, TheLoopsSeeTheirOwnHostOnly) {
  const Sandbox ours = in_status(Status::running);
  Sandbox other = new_row();
  other.installation = "inst-2";
  insert(other);
  in_status(Status::expired);
  const auto active = run_task(store_->list_active(kHost)).value();
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0], ours);
  EXPECT_EQ(run_task(store_->count_active()).value(), 2);
}

TEST_P(StoreContract, DueIsWhatIsUsableAndOverdueTheLongestFirst) {
  const Sandbox first = in_status(Status::running);
  const Sandbox second = in_status(Status::ready);
  in_status(Status::shutting_down);
  in_status(Status::stopped);
  const auto due = [&](TimePoint now, int limit) {
    return run_task(store_->list_due(kHost, now, limit)).value();
  };
  EXPECT_TRUE(due(first.expires_at - milliseconds(1), 10).empty());
  EXPECT_EQ(due(first.expires_at, 10), std::vector{first.id});
  EXPECT_EQ(due(kBegin + seconds(1000), 10), (std::vector{first.id, second.id}));
  EXPECT_EQ(due(kBegin + seconds(1000), 1), std::vector{first.id});
}

TEST_P(StoreContract, HistoryIsInOrderAndKeepsItsWords) {
  Sandbox row = insert(new_row());
  ASSERT_TRUE(run_task(store_->append_event(row.id, kBegin + seconds(2),
                                            {.type = "said", .actor = "agent", .detail = "d"})));
  row.status = Status::starting;
  update(row);
  const auto events = run_task(store_->events(row.id)).value();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].type, "created");
  EXPECT_EQ(events[0].status, "creating");
  EXPECT_EQ(events[1].actor, "agent");
  EXPECT_EQ(events[1].detail, "d");
  EXPECT_EQ(events[1].at, kBegin + seconds(2));
  EXPECT_EQ(events[2].status, "starting");
  EXPECT_LT(events[0].event_id, events[1].event_id);
  EXPECT_LT(events[1].event_id, events[2].event_id);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(Kind{"Memory",
                                              [](const TempFolder&) {
                                                return std::make_unique<MemoryStore>();
                                              }},
                                         Kind{"Sqlite",
                                              [](const TempFolder& folder) {
                                                return std::make_unique<SqliteStore>(folder.file());
                                              }}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SqliteStoreFile, IsFoundAgain) {
  const TempFolder folder;
  Sandbox row;
  SeededRandom random(1);
  row.id = SandboxId::make(random);
  {
    SqliteStore store(folder.file());
    ASSERT_TRUE(run_task(store.open()));
    ASSERT_TRUE(run_task(store.insert(row, {.type = "created"})));
  }
  SqliteStore store(folder.file());
  ASSERT_TRUE(run_task(store.open()));
  EXPECT_EQ(run_task(store.get(row.id)).value().id, row.id);
  EXPECT_EQ(run_task(store.events(row.id)).value().size(), 1U);
}

TEST(SqliteStoreFile, OfANewerProgramIsRefused) {
  const TempFolder folder;
  {
    SqliteStore store(folder.file());
    ASSERT_TRUE(run_task(store.open()));
  }
  {
    auto database = sqlite::Database::open(folder.file()).value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 99"));
  }
  SqliteStore store(folder.file());
  const auto opened = run_task(store.open());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("99"), std::string::npos);
}

TEST(SqliteStoreFile, ThatCannotBeOpenedIsNamed) {
  SqliteStore store("/no/such/folder/registry.db");
  const auto opened = run_task(store.open());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("/no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace matrx
