// Trouble that does not end by itself, on virtual time: engines that let nothing go, waits that
// others hold up, bugs in loops, rows that nobody can read. Judged while it lasts.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

const Actor kTester{"test"};

class Reliability : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    begin_life();
  }
  void TearDown() override {
    life_.reset();
    EXPECT_EQ(world_.task_failures, bugs_) << "a task failed";
  }
  void begin_life() {
    life_.reset();
    life_ = std::make_unique<OrchestratorLife>(world_, ++seed_);
  }
  Core& core() { return life_->core(); }
  static CreateSpec spec_for(std::string user, int idle_timeout_seconds = 0) {
    CreateSpec spec;
    spec.user_id = std::move(user);
    spec.idle_timeout_seconds = idle_timeout_seconds;
    return spec;
  }
  Result<Sandbox> try_create(std::string user = "user") {
    return life_->await(core().create(spec_for(std::move(user)), kTester));
  }
  SandboxId create(std::string user = "user") { return try_create(std::move(user)).value().id; }
  Result<void> destroy(const SandboxId& id, bool graceful = true) {
    return life_->await(core().destroy(id, graceful, StopReason::user_requested, kTester));
  }
  Sandbox row(const SandboxId& id) { return run_task(world_.rows.get(id)).value(); }
  void write(const SandboxId& id, const std::string& path) {
    world_.homes[id].tree[path] = {.modified_ns = ++written_, .size_bytes = 1};
  }
  bool stored(const std::string& path, const std::string& user = "user") {
    return world_.objects[user][Tier::hot].contains(path);
  }

  SimWorld world_{1};
  std::map<std::string, std::int64_t> bugs_;  // that a test has put in
  std::unique_ptr<OrchestratorLife> life_;
  std::uint64_t seed_ = 0;
  std::int64_t written_ = 0;
};

// --- Containers that the engine keeps ------------------------------------------------------------

TEST_F(Reliability, AContainerThatCannotBeRemovedHoldsNeitherHomeNorRow) {
  for (const bool graceful : {true, false}) {
    const SandboxId id = create();
    write(id, "work");
    world_.faults.removes_fail = 1;
    EXPECT_EQ(destroy(id, graceful).error().code, Code::unavailable);
    life_->run_for(seconds(5));
    EXPECT_EQ(row(id).status, Status::stopped);
    EXPECT_EQ(row(id).storage_state, StorageState::saved);
    EXPECT_TRUE(row(id).status_detail.contains("cannot remove the container"));
    EXPECT_TRUE(stored("work"));
    EXPECT_FALSE(world_.homes.contains(id));
    EXPECT_TRUE(world_.containers.contains(id));
    const SandboxId next = create();  // of the same user, while it lasts
    EXPECT_TRUE(world_.homes[next].tree.contains("work"));
    world_.faults = {};
    life_->run_for(seconds(30));
    EXPECT_FALSE(world_.containers.contains(id)) << "the rounds go on with it";
    EXPECT_TRUE(destroy(id));
    EXPECT_TRUE(destroy(next));
  }
}

TEST_F(Reliability, AnExpiredOneAndALostOneAreSavedThoughTheEngineKeepsTheirContainers) {
  world_.faults.removes_fail = 1;
  CreateSpec spec = spec_for("a");
  spec.ttl_seconds = 5;
  const SandboxId expired = life_->await(core().create(std::move(spec), kTester)).value().id;
  const SandboxId lost = create("b");
  write(expired, "of a");
  write(lost, "of b");
  world_.end_container(lost, 1);
  life_->run_for(seconds(30));
  EXPECT_EQ(row(expired).status, Status::expired);
  EXPECT_EQ(row(lost).stop_reason, StopReason::lost);
  EXPECT_TRUE(stored("of a", "a") && stored("of b", "b"));
  for (const SandboxId& id : {expired, lost}) {
    EXPECT_EQ(row(id).storage_state, StorageState::saved);
    EXPECT_TRUE(world_.containers.contains(id));
  }
}

// As long as something may run in it its home is not read: but whoever waits learns why.
TEST_F(Reliability, AContainerThatCannotBeKilledIsTold) {
  const SandboxId id = create();
  write(id, "work");
  world_.faults.kills_fail = 1;
  EXPECT_FALSE(destroy(id, false));
  EXPECT_TRUE(row(id).storage_detail.contains("cannot remove the container"));
  const auto refused = try_create();
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_TRUE(refused.error().message.contains("cannot remove the container"));
  world_.faults = {};
  life_->run_for(seconds(30));
  EXPECT_EQ(row(id).storage_state, StorageState::saved);
  EXPECT_EQ(row(id).storage_detail, "");
  EXPECT_TRUE(try_create());
}

// --- Waits ---------------------------------------------------------------------------------------

TEST_F(Reliability, ACreateGoesBeforeACheckpointOfItsUser) {
  const SandboxId first = create();
  for (int n = 0; n < 1000; ++n) write(first, "file-" + std::to_string(n));
  world_.faults.delay_max = seconds(1);  // some 1,000 s for all of them
  life_->run_for(seconds(60));
  ASSERT_GT(world_.objects["user"][Tier::hot].size(), 10U) << "no checkpoint is under way";
  ASSERT_LT(world_.objects["user"][Tier::hot].size(), 500U);
  const TimePoint began = world_.clock.now();
  EXPECT_TRUE(try_create());
  EXPECT_LT(world_.clock.now() - began, seconds(60));
  world_.faults = {};
  life_->run_for(seconds(60));
  EXPECT_TRUE(stored("file-999")) << "the checkpoint was not done again";
  EXPECT_EQ(row(first).storage_detail, "");
}

TEST_F(Reliability, CheckpointsAreNotStarvedByCreates) {
  const SandboxId first = create();
  for (int n = 0; n < 40; ++n) write(first, "file-" + std::to_string(n));
  world_.faults.delay_max = seconds(1);  // 40 s
  for (int n = 0; n < 30 && !stored("file-9"); ++n) {
    life_->run_for(seconds(20));
    EXPECT_TRUE(try_create());
  }
  world_.faults = {};
  EXPECT_TRUE(world_.manifests["user"].contains("file-9"));
}

TEST_F(Reliability, EveryCreateAnswersThoughTheStorageDoesNot) {
  world_.faults.storage_hangs = true;
  std::map<std::string, std::vector<Error>> refused;
  auto create_one = [&](std::string user) -> Task<void> {
    const auto made = co_await core().create(spec_for(user), kTester);
    if (!made) refused[user].push_back(made.error());
  };
  const auto name = [](std::size_t n) { return "user-" + std::to_string(n); };
  for (std::size_t n = 0; n <= kSyncsAtOnceMax; ++n) life_->spawn(create_one(name(n)));
  life_->spawn(create_one(name(0)));
  life_->run_for(kCreateWait + seconds(5));
  ASSERT_EQ(refused.size(), 2U) << "one waits for a slot, one for its user's turn";
  EXPECT_TRUE(refused[name(0)].at(0).message.contains("Another sandbox of this user"));
  EXPECT_TRUE(refused[name(kSyncsAtOnceMax)].at(0).message.contains("Many homes"));
  life_->run_for(kCreateDeadline);
  EXPECT_EQ(refused.size(), kSyncsAtOnceMax + 1);
  for (const auto& [user, errors] : refused) {
    for (const Error& error : errors) EXPECT_EQ(error.code, Code::unavailable) << error.message;
  }
  world_.faults = {};
  for (std::size_t n = 0; n <= kSyncsAtOnceMax; ++n) EXPECT_TRUE(try_create(name(n)));
}

TEST_F(Reliability, ManyExtendsAtOnceAllWork) {
  const SandboxId id = create();
  world_.faults.delay_max = seconds(3);  // of the store a tenth
  int extended = 0;
  auto extend = [&]() -> Task<void> {
    const auto done = co_await core().extend(id, seconds(7200), kTester);
    EXPECT_TRUE(done) << done.error().message;
    extended += done ? 1 : 0;
  };
  constexpr int kExtends = 40;
  for (int n = 0; n < kExtends; ++n) life_->spawn(extend());
  life_->run_for(seconds(30));
  EXPECT_EQ(extended, kExtends);
}

// Whoever is let in is not ended for being idle.
TEST_F(Reliability, AnExecThatComesAsTheIdleEndIsRefusedOrLivesOn) {
  int refused = 0, done = 0;
  auto exec = [&](SandboxId id) -> Task<void> {
    const auto outcome = co_await core().exec(id, {.command = "2000"}, kTester);
    ++(outcome ? done : refused);
  };
  for (int n = 0; n < 60; ++n) {
    world_.faults.delay_max = {};
    const SandboxId id =
        life_->await(core().create(spec_for("user-" + std::to_string(n), 30), kTester)).value().id;
    // From running on an exec changes nothing in the row, so that no compare-and-swap tells.
    EXPECT_TRUE(life_->await(core().exec(id, {.command = "echo"}, kTester)));
    world_.faults.delay_max = seconds(3);  // of the store a tenth
    life_->run_for(seconds(28));
    for (int step = 0; step < 200 && row(id).status == Status::running; ++step) {
      life_->run_for(milliseconds(100));
      if (world_.number(0, 60) == 0 || core().inside().activity().is_ending(id)) break;
    }
    life_->run_for(milliseconds(world_.number(0, 300)));
    life_->spawn(exec(id));
    life_->run_for(seconds(15));
  }
  EXPECT_EQ(world_.cut_off, 0) << "a command was let in, and its sandbox ended as idle";
  EXPECT_GT(done, 0);
  EXPECT_GT(refused, 0);
}

// --- Bugs ----------------------------------------------------------------------------------------

TEST_F(Reliability, ALoopThatABugHasEndedGoesOn) {
  CreateSpec spec = spec_for("user");
  spec.ttl_seconds = 20;
  const SandboxId id = life_->await(core().create(std::move(spec), kTester)).value().id;
  const SandboxId other = create("other");
  for (const char* method : {"list_due", "list_active", "feed"}) {
    world_.throws = method;
    life_->run_for(seconds(10));
  }
  world_.throws.clear();
  life_->run_for(seconds(60));
  EXPECT_EQ(row(id).status, Status::expired);
  write(other, "work");
  life_->run_for(seconds(60));
  EXPECT_TRUE(stored("work", "other")) << "no more checkpoints";
  for (const auto& [name, count] : core().task_failures()) bugs_[std::string(name)] = count;
  for (const char* name : {"expiry", "checkpoints", "feed", "reconcile", "monitor"}) {
    EXPECT_GT(bugs_[name], 0) << name;
  }
}

// --- Rows that nobody can read -------------------------------------------------------------------

TEST_F(Reliability, ARowThatCannotBeReadHoldsUpNoOther) {
  std::vector<SandboxId> ids;
  for (int n = 0; n < 3; ++n) ids.push_back(create("user-" + std::to_string(n)));
  for (const SandboxId& id : ids) write(id, "work");
  life_.reset();
  // All have ended, and nothing was cleaned up: what the disk and the engine list first is
  // unreadable.
  for (const SandboxId& id : ids) {
    Sandbox ended = row(id);
    ended.status = Status::stopped;
    ended.stop_reason = StopReason::lost;
    ended.stopped_at = world_.clock.now();
    ended.storage_state = StorageState::saved;
    run_task(world_.rows.update(ended, world_.clock.now(), {.type = "planted"})).value();
  }
  std::ranges::sort(ids);
  world_.unreadable.insert(ids[0]);
  begin_life();
  (void)life_->await(core().reconcile());
  life_->run_for(seconds(60));
  for (const SandboxId& id : {ids[1], ids[2]}) {
    EXPECT_FALSE(world_.containers.contains(id));
    EXPECT_FALSE(world_.homes.contains(id));
  }
  EXPECT_TRUE(world_.containers.contains(ids[0]));
  EXPECT_TRUE(world_.homes.contains(ids[0]));
  world_.unreadable.clear();
  life_->run_for(seconds(60));
  EXPECT_FALSE(world_.homes.contains(ids[0]));
  EXPECT_FALSE(world_.containers.contains(ids[0]));
}

}  // namespace
}  // namespace matrx
