// What ports/store.hpp promises, held against every store.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "adapters/memory/memory_store.hpp"
#include "adapters/postgres/postgres_store.hpp"
#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "async/task_group.hpp"
#include "base/limits.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const TimePoint kBegin = from_unix_ms(1'700'000'000'000);
constexpr const char* kHost = "inst-1";
SystemClock kClock;

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
  std::function<std::unique_ptr<Store>(const TempFolder&, asio::io_context&)> make;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class StoreContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    store_ = GetParam().make(folder_, io_);
    ASSERT_TRUE(run_task(io_, store_->open()));
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
    auto inserted = store_->insert(std::move(row), {.type = "created", .actor = "test"}, {});
    return run_task(io_, std::move(inserted)).value().row;
  }
  Sandbox update(Sandbox row) {
    return run_task(io_, store_->update(row, kBegin + seconds(500), {.type = "changed"})).value();
  }
  Sandbox in_status(Status status) {
    Sandbox row = insert(new_row());
    row.status = status;
    if (is_final(status)) {
      row.stopped_at = kBegin + seconds(400);
      row.stop_reason = StopReason::user_requested;
    }
    return update(row);
  }
  Sandbox get(const SandboxId& id) { return run_task(io_, store_->get(id)).value(); }

  TempFolder folder_;
  asio::io_context io_{1};  // connections that a store keeps belong to it
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
  EXPECT_EQ(run_task(io_, store_->insert(row, {}, {})).error().code, Code::conflict);
}

TEST_P(StoreContract, UnknownIdsAreNotFound) {
  const Sandbox row = new_row();
  EXPECT_EQ(run_task(io_, store_->get(row.id)).error().code, Code::not_found);
  EXPECT_EQ(run_task(io_, store_->update(row, kBegin, {})).error().code, Code::not_found);
  EXPECT_EQ(run_task(io_, store_->heartbeat(row.id, kBegin)).error().code, Code::not_found);
  EXPECT_EQ(run_task(io_, store_->append_event(row.id, kBegin, {})).error().code, Code::not_found);
  EXPECT_TRUE(run_task(io_, store_->events(row.id)).value().empty());
}

TEST_P(StoreContract, TheFasterChangeWins) {
  const Sandbox seen = insert(new_row());
  Sandbox first = seen, second = seen;
  first.status = Status::starting;
  second.status = Status::shutting_down;
  EXPECT_EQ(update(first).version, 2);
  EXPECT_EQ(run_task(io_, store_->update(second, kBegin, {})).error().code, Code::conflict);
  EXPECT_EQ(get(seen.id).status, Status::starting);
  EXPECT_EQ(get(seen.id).updated_at, kBegin + seconds(500));
  EXPECT_EQ(run_task(io_, store_->events(seen.id)).value().size(), 2U);  // the loser left no trace
}

TEST_P(StoreContract, OfManyAtOnceEachChangeCountsOnce) {
  const Sandbox row = insert(new_row());
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
  run_task(io_, all());
  EXPECT_EQ(won, 20);
  EXPECT_EQ(get(row.id).ttl_seconds, 80);
  EXPECT_EQ(get(row.id).version, 21);
}

TEST_P(StoreContract, AHeartbeatIsNoChange) {
  Sandbox row = insert(new_row());
  ASSERT_TRUE(run_task(io_, store_->heartbeat(row.id, kBegin + seconds(5))));
  EXPECT_EQ(get(row.id).version, 1);
  EXPECT_EQ(get(row.id).last_heartbeat_at, kBegin + seconds(5));
  row.status = Status::starting;  // read before the heartbeat: must not undo it
  EXPECT_EQ(update(row).last_heartbeat_at, kBegin + seconds(5));
  EXPECT_EQ(get(row.id).last_heartbeat_at, kBegin + seconds(5));
}

TEST_P(StoreContract, BeingActiveIsNoChangeAndNeverGoesBack) {
  Sandbox row = insert(new_row());
  ASSERT_TRUE(run_task(io_, store_->note_active(row.id, kBegin + seconds(5))));
  ASSERT_TRUE(run_task(io_, store_->note_active(row.id, kBegin + seconds(3))));
  EXPECT_EQ(get(row.id).version, 1);
  EXPECT_EQ(get(row.id).last_active_at, kBegin + seconds(5));
  row.status = Status::starting;
  EXPECT_EQ(update(row).last_active_at, kBegin + seconds(5));
}

TEST_P(StoreContract, KeepsPauseAndIdleTimeout) {
  Sandbox row = new_row();
  row.idle_timeout_seconds = 600;
  row = insert(row);
  EXPECT_EQ(row.idle_timeout_seconds, 600);
  row.paused_at = kBegin + seconds(1);
  EXPECT_EQ(update(row).paused_at, kBegin + seconds(1));
  Sandbox paused = get(row.id);
  paused.paused_at.reset();
  EXPECT_FALSE(update(paused).paused_at);
}

TEST_P(StoreContract, TheDeadHaveNoHeartbeat) {
  const Sandbox row = in_status(Status::stopped);
  EXPECT_EQ(run_task(io_, store_->note_active(row.id, kBegin)).error().code, Code::conflict);
  EXPECT_EQ(run_task(io_, store_->heartbeat(row.id, kBegin)).error().code, Code::conflict);
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
    const auto page = run_task(io_, store_->list(query)).value();
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
  const auto total = [&](ListQuery query) {
    return run_task(io_, store_->list(query)).value().total;
  };
  EXPECT_EQ(total({}), 3);
  EXPECT_EQ(total({.user_id = "user-2"}), 1);
  EXPECT_EQ(total({.user_id = "nobody"}), 0);
  EXPECT_EQ(total({.status = Status::stopped}), 1);
  EXPECT_EQ(total({.active_only = true}), 2);
  EXPECT_EQ(total({.label = std::pair("team", "red")}), 1);
  EXPECT_EQ(total({.label = std::pair("team", "blue")}), 0);
  EXPECT_EQ(run_task(io_, store_->list({.cursor = "odd"})).error().code, Code::invalid);
}

TEST_P(StoreContract, TheLoopsSeeTheirOwnHostOnly) {
  const Sandbox ours = in_status(Status::running);
  Sandbox other = new_row();
  other.installation = "inst-2";
  insert(other);
  in_status(Status::expired);
  const auto active = run_task(io_, store_->list_active(kHost)).value();
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0], ours);
  EXPECT_EQ(run_task(io_, store_->count_active(kHost)).value(), 1);
}

TEST_P(StoreContract, DueIsWhatIsUsableAndOverdueTheLongestFirst) {
  const Sandbox first = in_status(Status::running);
  const Sandbox second = in_status(Status::ready);
  in_status(Status::shutting_down);
  in_status(Status::stopped);
  const auto due = [&](TimePoint now, int limit) {
    return run_task(io_, store_->list_due(kHost, now, limit)).value();
  };
  EXPECT_TRUE(due(first.expires_at - milliseconds(1), 10).empty());
  EXPECT_EQ(due(first.expires_at, 10), std::vector{first.id});
  EXPECT_EQ(due(kBegin + seconds(1000), 10), (std::vector{first.id, second.id}));
  EXPECT_EQ(due(kBegin + seconds(1000), 1), std::vector{first.id});
}

TEST_P(StoreContract, HistoryIsInOrderAndKeepsItsWords) {
  Sandbox row = insert(new_row());
  ASSERT_TRUE(
      run_task(io_, store_->append_event(row.id, kBegin + seconds(2),
                                         {.type = "said", .actor = "agent", .detail = "d"})));
  row.status = Status::starting;
  update(row);
  const auto events = run_task(io_, store_->events(row.id)).value();
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

TEST_P(StoreContract, AKeyMakesOneRow) {
  const IdempotencyKey key{"key-1", "print-1"};
  const auto add = [&](const IdempotencyKey& k) {
    return run_task(io_, store_->insert(new_row(), {.type = "created"}, k));
  };
  const auto first = add(key).value();
  EXPECT_TRUE(first.is_new);
  const auto again = add(key).value();
  EXPECT_FALSE(again.is_new);
  EXPECT_EQ(again.row, first.row);
  EXPECT_EQ(add({"key-1", "print-2"}).error().code, Code::conflict);
  EXPECT_EQ(run_task(io_, store_->find_claimed(key)).value(), first.row);
  EXPECT_FALSE(run_task(io_, store_->find_claimed({"key-1", "print-2"})));
  EXPECT_TRUE(add({"key-2", "print-1"}).value().is_new);
  EXPECT_EQ(run_task(io_, store_->list({})).value().total, 2);
  EXPECT_EQ(run_task(io_, store_->events(first.row.id)).value().size(), 1U);
}

TEST_P(StoreContract, AKeyWhoseRowFailedMakesAnother) {
  const IdempotencyKey key{"key-1", "print-1"};
  auto first = run_task(io_, store_->insert(new_row(), {}, key)).value().row;
  first.status = Status::failed;
  first.stop_reason = StopReason::error;
  first.stopped_at = kBegin;
  update(first);
  EXPECT_FALSE(run_task(io_, store_->find_claimed(key)).value());
  const auto second = run_task(io_, store_->insert(new_row(), {}, key)).value();
  EXPECT_TRUE(second.is_new);
  EXPECT_NE(second.row.id, first.id);
  EXPECT_EQ(run_task(io_, store_->insert(new_row(), {}, key)).value().row.id, second.row.id);
}

TEST_P(StoreContract, OfManyAtOnceWithOneKeyOneMakesTheRow) {
  int made = 0;
  std::set<SandboxId> ids;
  auto one = [&]() -> Task<void> {
    const IdempotencyKey key{"key-1", "print-1"};
    const auto inserted = co_await store_->insert(new_row(), {.type = "created"}, key);
    EXPECT_TRUE(inserted.has_value());
    if (!inserted) co_return;
    made += inserted->is_new ? 1 : 0;
    ids.insert(inserted->row.id);
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < 50; ++i) group.spawn("one", one());
    co_await group.join();
  };
  run_task(io_, all());
  EXPECT_EQ(made, 1);
  EXPECT_EQ(ids.size(), 1U);
  EXPECT_EQ(run_task(io_, store_->list({})).value().total, 1);
}

TEST_P(StoreContract, TheFeedHasEveryEventOnceInOrder) {
  insert(new_row());
  const std::string end = run_task(io_, store_->feed("", 10)).value().cursor;
  EXPECT_TRUE(run_task(io_, store_->feed(end, 10)).value().items.empty());
  std::vector<std::string> wanted;
  for (int i = 0; i < 5; ++i) {
    Sandbox row = insert(new_row());
    row.status = Status::starting;
    update(row);
    wanted.insert(wanted.end(), 2, row.id.text());
  }
  std::vector<std::string> seen;
  std::string cursor = end;
  for (;;) {
    const auto page = run_task(io_, store_->feed(cursor, 3)).value();
    if (page.items.empty()) break;
    EXPECT_LE(page.items.size(), 3U);
    EXPECT_EQ(page.cursor, page.items.back().cursor);
    for (const auto& item : page.items) {
      seen.push_back(item.event.sandbox_id.text());
      EXPECT_EQ(item.installation, kHost);
    }
    cursor = page.cursor;
  }
  EXPECT_EQ(seen, wanted);
}

TEST_P(StoreContract, AStrangeFeedCursorIsRefused) {
  insert(new_row());
  for (const char* strange : {"odd", "99999999999", "99999999999-5", "1.99999999999-5", "-1", "1-",
                              ".", "1.1", "1.1-", "1.-1", "2.1-1"}) {
    const auto page = run_task(io_, store_->feed(strange, 3));
    ASSERT_FALSE(page) << strange;
    EXPECT_EQ(page.error().code, Code::invalid) << strange;
  }
}

TEST_P(StoreContract, WaitingForTheFeedEndsWhenThereIsSomething) {
  // Whatever it missed it hears at once; so wait until it is silent.
  run_task(io_, store_->wait_for_feed(milliseconds(100)));
  run_task(io_, store_->wait_for_feed(milliseconds(1)));
  bool heard = false;
  auto wait = [&]() -> Task<void> {
    co_await store_->wait_for_feed(std::chrono::minutes(20));  // the test's own limit is shorter
    heard = true;
  };
  auto both = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("wait", wait());
    EXPECT_TRUE(co_await store_->insert(new_row(), {.type = "created"}, {}));
    co_await group.join();
  };
  run_task(io_, both());
  EXPECT_TRUE(heard);
}

TEST_P(StoreContract, HostsAreSeen) {
  EXPECT_FALSE(run_task(io_, store_->host(kHost)).value().has_value());
  ASSERT_TRUE(run_task(io_, store_->announce(kHost, "box-1")));
  ASSERT_TRUE(run_task(io_, store_->announce(kHost, "box-2")));
  const auto host = run_task(io_, store_->host(kHost)).value();
  ASSERT_TRUE(host.has_value());
  EXPECT_EQ(host->name, "box-2");
  const TimePoint now = run_task(io_, store_->now()).value();
  EXPECT_LE(host->last_seen_at, now);
  EXPECT_GT(host->last_seen_at, now - std::chrono::minutes(10));
}

TEST_P(StoreContract, ALeaseHasOneHolder) {
  const auto take = [&](const char* who, milliseconds duration) {
    return run_task(io_, store_->take_lease("work", who, duration)).value();
  };
  EXPECT_TRUE(take("a", std::chrono::hours(1)));
  EXPECT_FALSE(take("b", std::chrono::hours(1)));
  EXPECT_TRUE(take("a", milliseconds(0)));  // renewed, and over at once
  EXPECT_TRUE(take("b", std::chrono::hours(1)));
  EXPECT_FALSE(take("a", std::chrono::hours(1)));
  EXPECT_TRUE(run_task(io_, store_->take_lease("other", "a", std::chrono::hours(1))).value());
}

TEST_P(StoreContract, DesertedIsWhatIsOverdueOnASilentHost) {
  ASSERT_TRUE(run_task(io_, store_->announce(kHost, "box-1")));
  in_status(Status::running);
  Sandbox row = new_row();
  row.installation = "inst-2";
  const Sandbox deserted = insert(row);
  const TimePoint now = run_task(io_, store_->now()).value();
  const auto list = [&](TimePoint due, TimePoint silent_since) {
    std::vector<SandboxId> ids;
    for (const auto& s : run_task(io_, store_->list_deserted(due, silent_since, 10)).value()) {
      ids.push_back(s.id);
    }
    return ids;
  };
  const auto hour = std::chrono::hours(1);
  EXPECT_EQ(list(deserted.expires_at, now - hour), std::vector{deserted.id});
  EXPECT_TRUE(list(deserted.expires_at - milliseconds(1), now - hour).empty());
  EXPECT_EQ(list(kBegin + hour, now + hour).size(), 2U);  // by then the first one is silent as well
}

TEST_P(StoreContract, OnlyWhatEndedLongAgoIsForgotten) {
  const Sandbox ended = in_status(Status::stopped);  // at kBegin + 400 s
  in_status(Status::failed);
  const Sandbox active = in_status(Status::running);
  const auto prune = [&](TimePoint before, int limit) {
    return run_task(io_, store_->prune(before, before, limit)).value();
  };
  EXPECT_EQ(prune(kBegin + seconds(400), 10), 0);
  EXPECT_EQ(prune(kBegin + seconds(401), 1), 1);
  EXPECT_EQ(prune(kBegin + seconds(401), 10), 1);
  EXPECT_EQ(run_task(io_, store_->get(ended.id)).error().code, Code::not_found);
  EXPECT_TRUE(run_task(io_, store_->events(ended.id)).value().empty());
  EXPECT_EQ(get(active.id), active);
}

TEST_P(StoreContract, WhatAHostMayHaveToCleanUpIsNotForgotten) {
  const Sandbox ended = in_status(Status::stopped);  // at kBegin + 400 s
  const TimePoint late = kBegin + seconds(1000);
  const auto prune = [&](TimePoint unclean_before) {
    return run_task(io_, store_->prune(late, unclean_before, 10)).value();
  };
  const auto note_clean = [&](TimePoint at) {
    EXPECT_TRUE(run_task(io_, store_->note_clean(kHost, at)));
  };
  note_clean(late);  // of a host that nobody knows: nothing
  EXPECT_EQ(prune(kBegin), 0);
  ASSERT_TRUE(run_task(io_, store_->announce(kHost, "box-1")));
  EXPECT_EQ(prune(kBegin), 0);
  note_clean(kBegin + seconds(400));
  EXPECT_EQ(prune(kBegin), 0);
  note_clean(kBegin + seconds(401));
  ASSERT_TRUE(run_task(io_, store_->announce(kHost, "box-1")));  // does not undo it
  EXPECT_EQ(prune(kBegin), 1);
  EXPECT_EQ(run_task(io_, store_->get(ended.id)).error().code, Code::not_found);
}

TEST_P(StoreContract, TheFeedHasNoGapThatItDoesNotTell) {
  insert(new_row());
  const std::string end = run_task(io_, store_->feed("", 10)).value().cursor;
  in_status(Status::stopped);
  const Sandbox after = insert(new_row());
  ASSERT_EQ(run_task(io_, store_->feed(end, 10)).value().items.size(), 3U);
  const TimePoint late = kBegin + seconds(1000);
  ASSERT_EQ(run_task(io_, store_->prune(late, late, 10)).value(), 1);
  const auto again = run_task(io_, store_->feed(end, 10));
  if (again) {
    EXPECT_EQ(again->items.size(), 3U) << "events are missing, and nobody is told";
  } else {
    EXPECT_EQ(again.error().code, Code::invalid);
  }
  const std::string new_end = run_task(io_, store_->feed("", 10)).value().cursor;
  update(after);
  EXPECT_EQ(run_task(io_, store_->feed(new_end, 10)).value().items.size(), 1U);
}

TEST_P(StoreContract, HistoryIsBounded) {
  const Sandbox row = insert(new_row());
  auto many = [&]() -> Task<void> {
    for (int i = 0; i < kEventsMax + 5; ++i) {
      NewEvent event{.type = "n" + std::to_string(i), .actor = "test"};
      EXPECT_TRUE(co_await store_->append_event(row.id, kBegin, std::move(event)));
    }
  };
  run_task(io_, many());
  const auto events = run_task(io_, store_->events(row.id)).value();
  ASSERT_EQ(events.size(), static_cast<std::size_t>(kEventsMax));
  EXPECT_EQ(events.back().type, "n" + std::to_string(kEventsMax + 4));
}

TEST_P(StoreContract, HostileWordsAreKept) {
  Sandbox row = new_row();
  row.config_json = R"({"nul":"a\\u0000\u0000b","q":"'; DROP TABLE sandbox_instances; --"})";
  row.name = "'; DROP TABLE sandbox_instances; --";
  row = insert(row);
  const std::string detail = std::string("a\0b", 3) + "\xF0\x9F\x98\x80 '\"\\";
  ASSERT_TRUE(run_task(io_, store_->append_event(row.id, kBegin, {.type = "x", .detail = detail})));
  EXPECT_EQ(get(row.id).name, row.name);
  EXPECT_NE(get(row.id).config_json.find("DROP TABLE"), std::string::npos);
  const std::string kept = run_task(io_, store_->events(row.id)).value().back().detail;
  EXPECT_EQ(kept.substr(kept.find('b')), detail.substr(2));
}

std::unique_ptr<Store> make_memory(const TempFolder&, asio::io_context&) {
  return std::make_unique<MemoryStore>(kClock);
}
std::unique_ptr<Store> make_sqlite(const TempFolder& folder, asio::io_context&) {
  return std::make_unique<SqliteStore>(folder.file(), kClock);
}
// tools/with-postgres.sh starts the server; every test begins with empty tables.
std::unique_ptr<Store> make_postgres(const TempFolder&, asio::io_context& io) {
  const char* url = std::getenv("MATRX_TEST_DATABASE_URL");
  if (url == nullptr) throw std::runtime_error("run this by tools/with-postgres.sh");
  const auto connection = postgres::Connection::open(url).value();
  connection->attach(io.get_executor());
  const char* empty =
      "TRUNCATE sandbox_instances, matrx_hosts, matrx_leases, matrx_idempotency_keys CASCADE";
  EXPECT_TRUE(run_task(io, connection->query(empty, {})));
  return std::make_unique<PostgresStore>(url, kDatabaseConnectionsDefault, kClock);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(Kind{"Memory", make_memory}, Kind{"Sqlite", make_sqlite},
                                         Kind{"Postgres", make_postgres}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SqliteStoreFile, IsFoundAgain) {
  const TempFolder folder;
  Sandbox row;
  SeededRandom random(1);
  row.id = SandboxId::make(random);
  {
    SqliteStore store(folder.file(), kClock);
    ASSERT_TRUE(run_task(store.open()));
    ASSERT_TRUE(run_task(store.insert(row, {.type = "created"}, {})));
  }
  SqliteStore store(folder.file(), kClock);
  ASSERT_TRUE(run_task(store.open()));
  EXPECT_EQ(run_task(store.get(row.id)).value().id, row.id);
  EXPECT_EQ(run_task(store.events(row.id)).value().size(), 1U);
}

TEST(SqliteStoreFile, LabelsWrittenByHandDoNotMakeItUnreadable) {
  const TempFolder folder;
  SqliteStore store(folder.file(), kClock);
  ASSERT_TRUE(run_task(store.open()));
  Sandbox row;
  SeededRandom random(1);
  row.id = SandboxId::make(random);
  ASSERT_TRUE(run_task(store.insert(row, {.type = "created"}, {})));
  auto database = sqlite::Database::open(folder.file()).value();
  ASSERT_TRUE(database.execute(R"(UPDATE sandbox_instances SET labels = '{"a":1,"b":"x"}')"));
  const Pairs wanted{{"a", "1"}, {"b", "x"}};
  EXPECT_EQ(run_task(store.get(row.id)).value().labels, wanted);
}

TEST(SqliteStoreFile, OfANewerProgramIsRefused) {
  const TempFolder folder;
  {
    SqliteStore store(folder.file(), kClock);
    ASSERT_TRUE(run_task(store.open()));
  }
  {
    auto database = sqlite::Database::open(folder.file()).value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 99"));
  }
  SqliteStore store(folder.file(), kClock);
  const auto opened = run_task(store.open());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("99"), std::string::npos);
}

TEST(SqliteStoreFile, ThatCannotBeOpenedIsNamed) {
  SqliteStore store("/no/such/folder/registry.db", kClock);
  const auto opened = run_task(store.open());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("/no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace matrx
