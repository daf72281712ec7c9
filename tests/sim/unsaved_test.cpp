// Homes that cannot be saved: whatever the reason, their user gets on, nothing is lost without a
// word, and everybody is told the truth.

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

class UnsavedSim : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    begin_life();
  }
  void begin_life() {
    life_.reset();
    OrchestratorLife::Options options;
    options.home_bytes_max = 100;
    life_ = std::make_unique<OrchestratorLife>(world_, ++seed_, options);
  }
  Result<Sandbox> try_create() {
    CreateSpec spec;
    spec.user_id = "user";
    return life_->await(life_->core().create(std::move(spec), {"test"}));
  }
  SandboxId create() { return try_create().value().id; }
  void destroy(const SandboxId& id) {
    ASSERT_TRUE(
        life_->await(life_->core().destroy(id, true, StopReason::user_requested, {"test"})));
  }
  Result<void> give_up(const SandboxId& id) {
    return life_->await(life_->core().user_storage().give_up_home(id, {"test"}));
  }
  Result<std::int64_t> remove_storage() {
    return life_->await(life_->core().user_storage().remove("user", {Tier::hot}, {"test"}));
  }
  void write(const SandboxId& id, const std::string& path, std::int64_t size = 1) {
    world_.homes[id].tree[path] = {.modified_ns = ++written_, .size_bytes = size};
  }
  Sandbox row(const SandboxId& id) { return run_task(world_.rows.get(id)).value(); }
  bool has(const std::string& path) { return world_.objects["user"][Tier::hot].contains(path); }
  bool is_in(const SandboxId& id, const std::string& path) {
    return world_.homes.contains(id) && world_.homes[id].tree.contains(path);
  }
  SandboxId leave_one_too_large() {
    const SandboxId id = create();
    write(id, "large of " + id.text(), 500);
    destroy(id);
    return id;
  }
  // What holds for each reason: the home waits, is told, and can be given up.
  void expect_a_way_out(const SandboxId& id) {
    EXPECT_EQ(row(id).storage_state, StorageState::pending);
    EXPECT_NE(row(id).storage_detail, "");
    EXPECT_EQ(remove_storage().error().code, Code::home_not_saved);
    ASSERT_TRUE(give_up(id));
    EXPECT_EQ(row(id).storage_state, StorageState::none);
    EXPECT_FALSE(world_.homes.contains(id));
    EXPECT_TRUE(remove_storage());
    EXPECT_TRUE(give_up(id)) << "again";
    life_->run_for(seconds(600));
    EXPECT_EQ(row(id).storage_state, StorageState::none) << "no later save takes it back";
  }

  SimWorld world_{1};
  std::unique_ptr<OrchestratorLife> life_;
  std::uint64_t seed_ = 0;
  std::int64_t written_ = 0;
};

TEST_F(UnsavedSim, OfAHomeThatIsTooLargeWhatFitsIsSaved) {
  const SandboxId id = create();
  write(id, "small");
  write(id, "larger", 60);
  write(id, "largest", 500);
  destroy(id);
  EXPECT_TRUE(row(id).storage_detail.contains("more than 100 bytes")) << row(id).storage_detail;
  EXPECT_TRUE(has("small") && has("larger"));
  EXPECT_FALSE(has("largest"));
  EXPECT_TRUE(is_in(id, "largest")) << "the whole stays on the host";
  const TimePoint asked_at = world_.clock.now();
  const SandboxId next = create();
  EXPECT_LT(world_.clock.now() - asked_at, seconds(5)) << "nobody waits for it";
  EXPECT_TRUE(is_in(next, "larger"));
  EXPECT_FALSE(is_in(next, "largest"));
  destroy(next);
  expect_a_way_out(id);
}

TEST_F(UnsavedSim, WhatTheStorageHasOfALargeFileFromBeforeStays) {
  const SandboxId id = create();
  write(id, "log", 10);
  life_->run_for(seconds(100));
  const std::string tag = world_.objects["user"][Tier::hot]["log"].tag;
  write(id, "log", 500);
  write(id, "new");
  destroy(id);
  EXPECT_TRUE(has("new"));
  EXPECT_EQ(world_.objects["user"][Tier::hot]["log"].tag, tag);
}

TEST_F(UnsavedSim, WhenTheLimitIsRaisedItIsSavedBesideWhatHasBeenMadeMeanwhile) {
  const SandboxId id = create();
  write(id, "both");
  write(id, "large", 500);
  destroy(id);
  const SandboxId next = create();
  write(next, "both");
  destroy(next);
  life_.reset();
  OrchestratorLife::Options options;
  options.home_bytes_max = 1000;
  life_ = std::make_unique<OrchestratorLife>(world_, ++seed_, options);
  life_->run_for(seconds(600));
  EXPECT_EQ(row(id).storage_state, StorageState::saved);
  EXPECT_TRUE(has("large"));
  EXPECT_TRUE(has("both"));
}

TEST_F(UnsavedSim, OfAHomeOfTooManyFilesSomeAreSaved) {
  const SandboxId id = create();
  for (int n = 0; n < 10; ++n) write(id, "f" + std::to_string(n));
  world_.home_nodes_max = 5;
  destroy(id);
  EXPECT_TRUE(has("f0"));
  EXPECT_FALSE(has("f9"));
  const SandboxId next = create();
  EXPECT_TRUE(is_in(next, "f0"));
  destroy(next);
  expect_a_way_out(id);
}

TEST_F(UnsavedSim, ACutLookDeletesNothing) {
  const SandboxId id = create();
  for (int n = 0; n < 10; ++n) write(id, "f" + std::to_string(n));
  life_->run_for(seconds(100));
  ASSERT_TRUE(has("f9"));
  world_.home_nodes_max = 5;
  destroy(id);
  for (int n = 0; n < 10; ++n) EXPECT_TRUE(has("f" + std::to_string(n))) << n;
}

TEST_F(UnsavedSim, HolesCountWhereTheStorageKeepsThemAsZeros) {
  const auto write_sparse = [&](const SandboxId& id) {
    world_.homes[id].tree["disk.img"] = {
        .modified_ns = ++written_, .size_bytes = 100'000, .hole_bytes = 99'990};
  };
  const SandboxId id = create();
  write_sparse(id);
  destroy(id);
  EXPECT_EQ(row(id).storage_state, StorageState::saved) << row(id).storage_detail;
  EXPECT_TRUE(remove_storage());
  world_.storage_keeps_holes = false;
  const SandboxId other = create();
  write_sparse(other);
  write(other, "small");
  destroy(other);
  EXPECT_TRUE(row(other).storage_detail.contains("99990 bytes of holes"))
      << row(other).storage_detail;
  EXPECT_TRUE(has("small"));
  const SandboxId next = create();
  EXPECT_TRUE(is_in(next, "small"));
  destroy(next);
  expect_a_way_out(other);
}

TEST_F(UnsavedSim, AHomeThatIsGoneFromTheDiskLocksNobodyOut) {
  const SandboxId id = create();
  world_.homes.erase(id);
  destroy(id);
  destroy(create());
  expect_a_way_out(id);
}

TEST_F(UnsavedSim, AStorageThatRefusesFilesForLongLocksNobodyOut) {
  const SandboxId id = create();
  write(id, "work");
  world_.storage_refuses_files = true;
  destroy(id);
  const auto refused = try_create();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_TRUE(refused.error().message.contains("denies access"));
  life_->run_for(milliseconds(kUnsavedBlocks));
  const SandboxId next = create();
  EXPECT_FALSE(is_in(next, "work"));
  world_.storage_refuses_files = false;
  life_->run_for(seconds(900));
  EXPECT_EQ(row(id).storage_state, StorageState::saved);
  EXPECT_TRUE(has("work"));
  destroy(next);
  EXPECT_TRUE(has("work")) << "who never had it has not deleted it";
}

TEST_F(UnsavedSim, AStorageThatRefusesFilesCanBeGivenUpOn) {
  const SandboxId id = create();
  write(id, "work");
  world_.storage_refuses_files = true;
  destroy(id);
  expect_a_way_out(id);
  EXPECT_TRUE(try_create()) << "at once";
}

TEST_F(UnsavedSim, WhatTheStorageHasIsNoHome) {
  const SandboxId id = create();
  write(id, "work");
  destroy(id);
  world_.broken_manifests.insert("user");
  const auto refused = try_create();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::conflict);
  EXPECT_TRUE(refused.error().message.contains("deleted"));
  ASSERT_TRUE(remove_storage());
  EXPECT_TRUE(try_create());
}

TEST_F(UnsavedSim, AHomeBesideAStorageThatHasNoneCanBeGivenUp) {
  const SandboxId id = create();
  write(id, "work");
  world_.broken_manifests.insert("user");
  destroy(id);
  expect_a_way_out(id);
  EXPECT_TRUE(try_create());
}

TEST_F(UnsavedSim, CreatesGoOnWithoutAFewAndNotWithoutMany) {
  std::vector<SandboxId> left;
  for (std::size_t n = 0; n < kUnsavedOfUserMax; ++n) left.push_back(leave_one_too_large());
  const auto refused = try_create();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::home_not_saved);
  EXPECT_TRUE(refused.error().message.contains("sbx-"));
  CreateSpec spec;
  spec.user_id = "other";
  EXPECT_TRUE(life_->await(life_->core().create(std::move(spec), {"test"})));
  ASSERT_TRUE(give_up(left.back()));
  EXPECT_TRUE(try_create());
}

TEST_F(UnsavedSim, OnlyWhatHasEndedCanBeGivenUp) {
  const SandboxId id = create();
  write(id, "work");
  EXPECT_EQ(give_up(id).error().code, Code::conflict);
  EXPECT_EQ(give_up(SandboxId::parse("sbx-0123456789ab").value()).error().code, Code::not_found);
  EXPECT_TRUE(is_in(id, "work"));
  destroy(id);
  EXPECT_TRUE(give_up(id)) << "saved: there is nothing to do";
  EXPECT_EQ(row(id).storage_state, StorageState::saved);
  EXPECT_TRUE(has("work"));
}

TEST_F(UnsavedSim, GivenUpWhileItIsSavedDeletesNothingInTheStorage) {
  const SandboxId id = create();
  for (int n = 0; n < 5; ++n) write(id, "old" + std::to_string(n));
  life_->run_for(seconds(100));
  write(id, "work");
  world_.storage_refuses_files = true;
  destroy(id);
  world_.storage_refuses_files = false;
  world_.faults.delay_max = milliseconds(2000);
  std::optional<bool> done;
  auto give_up_later = [&]() -> Task<void> {
    done = (co_await life_->core().user_storage().give_up_home(id, {"test"})).has_value();
  };
  life_->run_for(seconds(6));  // the next try has begun
  life_->spawn(give_up_later());
  life_->run_for(seconds(200));
  EXPECT_EQ(done, true);
  for (int n = 0; n < 5; ++n) EXPECT_TRUE(has("old" + std::to_string(n))) << n;
}

TEST_F(UnsavedSim, AForgottenHomeThatIsTooLargeLocksNobodyOut) {
  const SandboxId id = create();
  write(id, "large", 500);
  life_.reset();
  std::destroy_at(&world_.rows);
  std::construct_at(&world_.rows, world_.clock);
  world_.containers.clear();
  begin_life();
  life_->run_for(seconds(60));
  EXPECT_TRUE(is_in(id, "large"));
  EXPECT_EQ(remove_storage().error().code, Code::home_not_saved);
  destroy(create());
  ASSERT_TRUE(give_up(id));
  EXPECT_FALSE(world_.homes.contains(id));
  EXPECT_TRUE(remove_storage());
  EXPECT_EQ(life_->core().unsaved_homes(), 0);
}

TEST_F(UnsavedSim, WhatCanNeverBeSavedIsNotKeptForEver) {
  const SandboxId id = leave_one_too_large();
  life_.reset();
  world_.clock.move_to(world_.clock.now() + kUnsavedKept - std::chrono::hours(1));
  begin_life();
  life_->run_for(seconds(600));
  EXPECT_EQ(row(id).storage_state, StorageState::pending);
  life_.reset();
  world_.clock.move_to(world_.clock.now() + std::chrono::hours(1));
  begin_life();
  life_->run_for(seconds(600));
  EXPECT_EQ(row(id).storage_state, StorageState::pending) << "the date may be a wrong clock's";
  world_.clock.move_to(world_.clock.now() + kClockDoubt);
  life_->run_for(seconds(600));
  EXPECT_EQ(row(id).storage_state, StorageState::none);
  EXPECT_FALSE(world_.homes.contains(id));
}

TEST_F(UnsavedSim, WhatAProgramHoldsIsToldAndSavedLater) {
  const SandboxId id = create();
  write(id, "held");
  write(id, "free");
  world_.held_files.insert("held");
  life_->run_for(seconds(100));
  EXPECT_TRUE(has("free"));
  EXPECT_FALSE(has("held"));
  EXPECT_TRUE(row(id).storage_detail.contains("1 files of the home are held"))
      << row(id).storage_detail;
  world_.held_files.clear();
  destroy(id);
  EXPECT_TRUE(has("held"));
  EXPECT_EQ(row(id).storage_state, StorageState::saved);
  EXPECT_EQ(row(id).storage_detail, "");
}

// Others' programs may put anything into a bucket.
TEST_F(UnsavedSim, AFileInTheWayOfAFolderIsKeptBesideIt) {
  HomeTree& objects = world_.objects["user"][Tier::hot];
  objects["a"] = {.modified_ns = 1, .size_bytes = 1, .tag = "t-a"};
  objects["a/b"] = {.modified_ns = 2, .size_bytes = 1, .tag = "t-b"};
  const SandboxId id = create();
  EXPECT_TRUE(is_in(id, "a/b"));
  EXPECT_EQ(world_.homes[id].tree["a"].kind, NodeKind::folder);
  write(id, "work");
  destroy(id);
  EXPECT_EQ(row(id).storage_state, StorageState::saved) << row(id).storage_detail;
  EXPECT_TRUE(has("a/b") && has("work"));
  EXPECT_FALSE(has("a"));
  EXPECT_TRUE(has("a.conflict-unknown"));
}

}  // namespace
}  // namespace matrx
