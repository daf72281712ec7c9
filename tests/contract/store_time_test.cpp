// What ports/store.hpp promises about time, where somebody sets the clock of the host; and about
// homes that have still to be saved.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "adapters/memory/memory_store.hpp"
#include "adapters/postgres/postgres_store.hpp"
#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr const char* kOurs = "inst-1";
constexpr auto kDay = std::chrono::hours(24);

// The host's clock, which somebody sets, and the time since its boot, which goes on as it does.
struct JumpingClock : SystemClock {
  TimePoint now() const override { return TimePoint(up + wall); }
  milliseconds boot_time() const override { return up; }
  std::string boot() const override { return boot_name; }
  void pass(milliseconds time) { up += time; }
  void set_by(milliseconds step) { wall += step; }
  void boot_anew(milliseconds away) {
    wall += up + away;
    up = milliseconds(1000);
    wall -= up;
    boot_name += "'";
  }

  milliseconds up{5'000'000};
  milliseconds wall{1'700'000'000'000};  // at boot
  std::string boot_name = "boot";
};

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-time-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return (path_ / "registry.db").string(); }

 private:
  std::filesystem::path path_;
};

enum class StoreKind { memory, sqlite, postgres };

class StoreTime : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    open();
  }

  void open() {
    store_.reset();
    switch (GetParam()) {
      case StoreKind::memory:
        store_ = std::make_unique<MemoryStore>(clock_);
        break;
      case StoreKind::sqlite:
        store_ = std::make_unique<SqliteStore>(folder_.file(), clock_);
        break;
      case StoreKind::postgres:
        store_ = open_postgres();
        break;
    }
    ASSERT_TRUE(run_task(io_, store_->open()));
  }
  std::unique_ptr<Store> open_postgres() {
    const char* url = std::getenv("MATRX_TEST_DATABASE_URL");
    if (url == nullptr) throw std::runtime_error("run this by tools/with-postgres.sh");
    const auto connection = postgres::Connection::open(url).value();
    connection->attach(io_.get_executor());
    EXPECT_TRUE(run_task(
        io_,
        connection->query("TRUNCATE sandbox_instances, matrx_hosts, matrx_leases CASCADE", {})));
    return std::make_unique<PostgresStore>(url, kDatabaseConnectionsDefault, clock_);
  }

  TimePoint now() { return run_task(io_, store_->now()).value(); }
  Sandbox insert(Status status, seconds lives = seconds(600), const char* user = "user-1") {
    Sandbox row;
    row.id = SandboxId::make(random_);
    row.user_id = user;
    row.installation = kOurs;
    row.ttl_seconds = static_cast<int>(lives.count());
    row.created_at = row.updated_at = now();
    row.expires_at = row.created_at + lives;
    row = run_task(io_, store_->insert(row, {.type = "created"}, {})).value().row;
    row.status = status;
    if (status == Status::shutting_down || is_final(status)) row.stop_reason = StopReason::admin;
    if (is_final(status)) row.stopped_at = now();
    return run_task(io_, store_->update(row, now(), {.type = "changed"})).value();
  }
  Sandbox get(const SandboxId& id) { return run_task(io_, store_->get(id)).value(); }
  std::vector<SandboxId> due() { return run_task(io_, store_->list_due(kOurs, now(), 10)).value(); }
  void announce() { ASSERT_TRUE(run_task(io_, store_->announce(kOurs, "box"))); }
  int prune(TimePoint before) { return run_task(io_, store_->prune(before, before, 10)).value(); }

  Folder folder_;
  JumpingClock clock_;
  asio::io_context io_{1};
  std::unique_ptr<Store> store_;
  SeededRandom random_{7};
};

// The first half of the suite is about the host's clock: a database server has one of its own.
class HostTime : public StoreTime {};

TEST_P(HostTime, AStepOfTheClockEndsNothingAndProlongsNothing) {
  for (const milliseconds step : {milliseconds(kDay), milliseconds(-2 * kDay)}) {
    const Sandbox row = insert(Status::running, seconds(60));
    clock_.set_by(step);
    announce();
    EXPECT_TRUE(due().empty()) << "by the new time it is over";
    EXPECT_EQ(store_->clock_step(), step);
    clock_.pass(seconds(59));
    EXPECT_TRUE(due().empty());
    clock_.pass(seconds(1));
    EXPECT_EQ(due(), std::vector{row.id});
    Sandbox ended = get(row.id);
    ended.status = Status::expired;
    ended.stop_reason = StopReason::expired;
    ended.stopped_at = now();
    ASSERT_TRUE(run_task(io_, store_->update(ended, now(), {.type = "expired"})));
    announce();  // nothing lives by the old time any more
    EXPECT_EQ(store_->clock_step(), milliseconds(0));
    EXPECT_EQ(now(), clock_.now());
  }
}

TEST_P(HostTime, SmallDifferencesAreFollowed) {
  clock_.set_by(seconds(50));
  EXPECT_EQ(now(), clock_.now());
  clock_.set_by(seconds(-50));
  EXPECT_EQ(now(), clock_.now());
}

TEST_P(HostTime, ANewTimeForgetsNothingForADay) {
  insert(Status::stopped);
  clock_.set_by(100 * kDay);
  announce();
  EXPECT_EQ(now(), clock_.now()) << "nobody lives here";
  EXPECT_EQ(prune(now() - 30 * kDay), 0);
  clock_.pass(kClockDoubt + seconds(1));
  EXPECT_EQ(prune(now() - 30 * kDay), 1);
}

TEST_P(HostTime, OldLeasesAndKeysGo) {
  ASSERT_TRUE(run_task(io_, store_->take_lease("home:user", "a", seconds(30))).value());
  EXPECT_FALSE(run_task(io_, store_->take_lease("home:user", "b", seconds(30))).value());
  clock_.pass(kIdempotencyWindow + seconds(31));
  EXPECT_EQ(prune(TimePoint()), 0);
  if (GetParam() != StoreKind::sqlite) return;
  auto database = sqlite::Database::open(folder_.file()).value();
  auto count = database.prepare("SELECT count(*) FROM leases").value();
  ASSERT_TRUE(count.step().value());
  EXPECT_EQ(count.integer(0), 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, HostTime, testing::Values(StoreKind::memory, StoreKind::sqlite),
                         [](const auto& info) {
                           return std::string(info.param == StoreKind::memory ? "Memory"
                                                                              : "Sqlite");
                         });

TEST_P(StoreTime, UnsavedIsWhatNobodyCanUseAnyMore) {
  std::set<SandboxId> wanted;
  for (const StorageState state :
       {StorageState::none, StorageState::active, StorageState::pending, StorageState::saved}) {
    for (const Status status : {Status::running, Status::shutting_down, Status::stopped}) {
      Sandbox row = insert(status);
      row.storage_state = state;
      row = run_task(io_, store_->update(row, now(), {.type = "changed"})).value();
      if (is_unsaved(row)) wanted.insert(row.id);
    }
  }
  EXPECT_EQ(wanted.size(), 4U);
  const auto list = [&](const char* installation, const char* user, int limit) {
    std::set<SandboxId> ids;
    const auto rows = run_task(io_, store_->list_unsaved(installation, user, limit)).value();
    for (const Sandbox& row : rows) ids.insert(row.id);
    return ids;
  };
  EXPECT_EQ(list("", "", 100), wanted);
  EXPECT_EQ(list(kOurs, "user-1", 100), wanted);
  EXPECT_TRUE(list("inst-2", "", 100).empty());
  EXPECT_TRUE(list("", "user-2", 100).empty());
  EXPECT_EQ(list("", "", 2).size(), 2U);
}

TEST_P(StoreTime, Answers) {
  EXPECT_TRUE(run_task(io_, store_->ping()));
  EXPECT_EQ(store_->is_shared(), GetParam() == StoreKind::postgres);
  EXPECT_EQ(store_->clock_step(), milliseconds(0));
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTime,
                         testing::Values(StoreKind::memory, StoreKind::sqlite, StoreKind::postgres),
                         [](const auto& info) {
                           if (info.param == StoreKind::memory) return std::string("Memory");
                           if (info.param == StoreKind::sqlite) return std::string("Sqlite");
                           return std::string("Postgres");
                         });

// --- Over a restart ------------------------------------------------------------------------------

class SqliteTime : public StoreTime {};

TEST_P(SqliteTime, ARestartTakesTheNewTimeOverAndLifetimesKeepTheirLength) {
  for (const milliseconds step : {milliseconds(kDay), milliseconds(-2 * kDay)}) {
    const Sandbox row = insert(Status::running, seconds(60));
    announce();
    store_.reset();
    clock_.pass(seconds(10));
    clock_.set_by(step);
    open();
    EXPECT_EQ(now(), clock_.now());
    const Sandbox moved = get(row.id);
    EXPECT_EQ(moved.expires_at, row.expires_at + step);
    EXPECT_GT(moved.version, row.version) << "who has read it before must not change it";
    EXPECT_EQ(run_task(io_, store_->events(row.id)).value().back().type, "clock_set");
    clock_.pass(seconds(49));
    EXPECT_TRUE(due().empty());
    clock_.pass(seconds(1));
    EXPECT_EQ(due(), std::vector{row.id});
    Sandbox ended = get(row.id);
    ended.status = Status::stopped;
    ended.stop_reason = StopReason::admin;
    ended.stopped_at = now();
    ASSERT_TRUE(run_task(io_, store_->update(ended, now(), {.type = "stopped"})));
  }
}

TEST_P(SqliteTime, OneProcessHasIt) {
  SqliteStore other(folder_.file(), clock_);
  const auto refused = run_task(other.open());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.contains(folder_.file()));
  store_.reset();
  EXPECT_TRUE(run_task(other.open()));
}

TEST_P(SqliteTime, AStepThatWasSeenBeforeTheRestartCountsOnce) {
  const Sandbox row = insert(Status::running, seconds(60));
  clock_.set_by(kDay);
  announce();
  open();
  EXPECT_EQ(get(row.id).expires_at, row.expires_at + kDay);
  open();
  EXPECT_EQ(get(row.id).expires_at, row.expires_at + kDay);
}

TEST_P(SqliteTime, AfterABootNothingMovesAndAStrangeTimeForgetsNothingForADay) {
  const Sandbox row = insert(Status::running, seconds(60));
  const Sandbox ended = insert(Status::stopped);
  announce();
  store_.reset();
  clock_.boot_anew(std::chrono::hours(1));
  open();
  EXPECT_EQ(get(row.id).expires_at, row.expires_at);
  EXPECT_EQ(prune(now()), 1) << ended.id.text();
  insert(Status::stopped);
  store_.reset();
  clock_.boot_anew(100 * kDay);
  open();
  EXPECT_EQ(prune(now()), 0);
  clock_.pass(kClockDoubt + seconds(1));
  EXPECT_EQ(prune(now()), 1);
  insert(Status::stopped);
  announce();
  store_.reset();
  clock_.boot_anew(-kDay);
  open();
  EXPECT_EQ(prune(now() + 2 * kDay), 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, SqliteTime, testing::Values(StoreKind::sqlite),
                         [](const auto&) { return std::string("Sqlite"); });

}  // namespace
}  // namespace matrx
