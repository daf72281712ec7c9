// A host whose disk one sandbox fills, and a registry that cannot write: nobody else pays for it.

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

constexpr auto kStopPatience = std::chrono::seconds(5);  // of sim_settings()

class DiskSim : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }

  Sandbox create(const std::string& user, std::optional<int> ttl_seconds = {}) {
    CreateSpec spec;
    spec.user_id = user;
    spec.ttl_seconds = ttl_seconds;
    return life_.await(life_.core().create(std::move(spec), {"test"})).value();
  }
  Sandbox row(const SandboxId& id) { return run_task(world_.rows.get(id)).value(); }
  // Of what the disk has, in percent.
  void take(const SandboxId& id, std::int64_t percent) {
    world_.disk.bytes_of[id] = world_.disk.bytes_total / 100 * percent;
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1};
};

TEST_F(DiskSim, TheOneThatFillsTheDiskIsEndedAndAllOthersGoOn) {
  const Sandbox good = create("good");
  const Sandbox other = create("other");
  const Sandbox bad = create("bad");
  life_.run_for(seconds(2));
  EXPECT_TRUE(world_.disk.has_reserve);
  take(good.id, 40);
  life_.run_for(seconds(2));
  take(bad.id, 57);  // 3 % is left
  life_.run_for(seconds(2));
  CreateSpec spec;
  spec.user_id = "new";
  const auto refused = life_.await(life_.core().create(spec, {"test"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_TRUE(refused.error().message.contains("3 % of the disk")) << refused.error().message;
  EXPECT_EQ(row(bad.id).status, Status::ready) << "little is left, but something";
  take(bad.id, 60);
  life_.run_for(seconds(10));
  EXPECT_EQ(row(bad.id).status, Status::stopped);
  EXPECT_EQ(row(bad.id).stop_reason, StopReason::error);
  EXPECT_TRUE(row(bad.id).status_detail.contains("disk")) << row(bad.id).status_detail;
  EXPECT_EQ(row(bad.id).storage_state, StorageState::saved);
  EXPECT_EQ(row(good.id).status, Status::ready);
  EXPECT_EQ(row(other.id).status, Status::ready);
  create("new");
  life_.run_for(seconds(60));
  EXPECT_TRUE(world_.disk.has_reserve) << "taken again";
  EXPECT_EQ(life_.core().disk_totals().ended, 1);
  EXPECT_EQ(life_.core().disk_totals().refused, 1);
}

TEST_F(DiskSim, WhatOthersHaveFilledEndsNobody) {
  const Sandbox good = create("good");
  take(good.id, 0);
  world_.disk.bytes_of_others = world_.disk.bytes_total;
  life_.run_for(std::chrono::minutes(5));
  EXPECT_EQ(row(good.id).status, Status::ready);
  EXPECT_FALSE(world_.disk.has_reserve);
}

// One after the other, and no more than are needed.
TEST_F(DiskSim, TheNextOneGoesOnlyWhenTheFirstDidNotHelp) {
  const Sandbox first = create("first");
  const Sandbox second = create("second");
  take(first.id, 50);
  take(second.id, 50);
  world_.faults.storage_fails = 1;  // the homes stay where they are
  life_.run_for(seconds(15));
  const bool first_ended = row(first.id).status != Status::ready;
  EXPECT_NE(first_ended, row(second.id).status != Status::ready);
  life_.run_for(std::chrono::minutes(2));
  EXPECT_NE(row(first.id).status, Status::ready);
  EXPECT_NE(row(second.id).status, Status::ready);
}

TEST_F(DiskSim, AnEndComesThroughWithoutARow) {
  const Sandbox graceful = create("graceful");
  const Sandbox at_once = create("at-once");
  const Sandbox expires = create("expires", 60);
  world_.faults.store_is_full = true;
  for (const auto& [id, is_graceful] :
       {std::pair(graceful.id, true), std::pair(at_once.id, false)}) {
    const auto gone =
        life_.await(life_.core().destroy(id, is_graceful, StopReason::user_requested, {"test"}));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Code::unavailable);
    EXPECT_FALSE(world_.containers.contains(id));
  }
  life_.run_for(seconds(65) + kStopPatience);
  EXPECT_TRUE(world_.containers.empty()) << "it has outlived its time";
  world_.faults.store_is_full = false;
  life_.run_for(seconds(20));
  for (const auto& id : {graceful.id, at_once.id}) {
    EXPECT_EQ(row(id).status, Status::stopped);
    EXPECT_EQ(row(id).stop_reason, StopReason::user_requested) << "as it was, not lost";
    EXPECT_EQ(row(id).storage_state, StorageState::saved);
  }
  EXPECT_EQ(row(expires.id).status, Status::expired);
  EXPECT_EQ(row(expires.id).storage_state, StorageState::saved);
}

TEST_F(DiskSim, ARenewalThatIsRefusedForLackOfRoomIsNoRenewal) {
  const Sandbox sandbox = create("user", 60);
  world_.faults.store_is_full = true;
  EXPECT_FALSE(life_.await(life_.core().extend(sandbox.id, seconds(600), {"test"})));
  world_.faults.store_is_full = false;
  EXPECT_TRUE(life_.await(life_.core().extend(sandbox.id, seconds(600), {"test"})));
  life_.run_for(seconds(100));
  EXPECT_EQ(row(sandbox.id).status, Status::ready);
}

}  // namespace
}  // namespace matrx
