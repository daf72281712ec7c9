// The insides of sandboxes over time: pause, activity and idleness, usage, on virtual time.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

const Actor kSim{"sim"};

class MachineTest : public testing::Test {
 protected:
  MachineTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    begin_life();
  }

  void begin_life() {
    life_.reset();
    life_ = std::make_unique<OrchestratorLife>(world_, ++lives_);
  }
  Core& core() { return life_->core(); }

  SandboxId create(int idle_timeout_seconds = 0) {
    CreateSpec spec;
    spec.user_id = "user";
    spec.idle_timeout_seconds = idle_timeout_seconds;
    return life_->await(core().create(std::move(spec), kSim)).value().id;
  }
  Sandbox row(const SandboxId& id) { return life_->await(core().get(id)).value(); }
  ContainerState state(const SandboxId& id) { return world_.containers.at(id).state; }
  Result<std::vector<ProcessInfo>> list(const SandboxId& id, Entry entry) {
    return life_->await(core().inside().call(id, entry, kSim, &Machine::list_processes));
  }

  SimWorld world_{1};
  std::uint64_t lives_ = 0;
  std::unique_ptr<OrchestratorLife> life_;
};

// --- Inside --------------------------------------------------------------------------------------

TEST_F(MachineTest, WhoOnlyLooksLeavesNoTrace) {
  const SandboxId id = create();
  EXPECT_TRUE(list(id, Entry::look));
  EXPECT_EQ(row(id).status, Status::ready);
  EXPECT_FALSE(core().inside().activity().last(id));
  EXPECT_TRUE(list(id, Entry::work));
  EXPECT_EQ(row(id).status, Status::running);
  EXPECT_TRUE(core().inside().activity().last(id));
}

TEST_F(MachineTest, AnInsideThatIsGoneIsToldAsSuch) {
  const SandboxId id = create();
  world_.end_container(id, 1);
  const auto answer = list(id, Entry::work);
  EXPECT_EQ(answer.error().code, Code::gone);
  EXPECT_NE(answer.error().message.find("lost"), std::string::npos) << answer.error().message;
  EXPECT_EQ(list(SandboxId::parse("sbx-0123456789ab").value(), Entry::look).error().code,
            Code::not_found);
}

// An engine says that there was no memory also where that was long ago and not the end.
TEST_F(MachineTest, MemoryIsNamedOnlyWhereItWasTheEnd) {
  const auto how = [this](int exit_code, bool out_of_memory) {
    const SandboxId id = create();
    world_.end_container(id, exit_code, out_of_memory);
    life_->run_for(seconds(60));
    return row(id).status_detail;
  };
  EXPECT_EQ(how(137, true), "The container ran out of memory.");
  EXPECT_EQ(how(137, false), "The container ended with exit code 137.");
  EXPECT_EQ(how(0, true), "The container ended with exit code 0.");
  EXPECT_EQ(how(143, true), "The container ended with exit code 143.");
}

// --- Signals -------------------------------------------------------------------------------------

// Each would be a write to the disk, before everybody else's.
TEST_F(MachineTest, AFloodOfHeartbeatsIsNotedOnceASecond) {
  const SandboxId id = create();
  SimContainer& container = world_.containers.at(id);
  container.heartbeats = 1000;
  life_->run_for(milliseconds(900));
  EXPECT_EQ(container.heartbeats, 0) << "all are answered";
  EXPECT_EQ(world_.heartbeats_noted, 1);
  const auto first = row(id).last_heartbeat_at;
  ASSERT_TRUE(first);
  life_->run_for(kHeartbeatInterval);
  container.heartbeats = 1000;
  life_->run_for(milliseconds(900));
  EXPECT_EQ(world_.heartbeats_noted, 2);
  EXPECT_GT(row(id).last_heartbeat_at, first);
  // Who has ended is told so.
  EXPECT_TRUE(life_->await(core().destroy(id, false, StopReason::user_requested, kSim)));
  EXPECT_EQ(life_->await(core().signals().heartbeat(id)).error().code, Code::gone);
}

// --- Capacity ------------------------------------------------------------------------------------

TEST_F(MachineTest, ALimitHoldsHoweverManyComeAtOnce) {
  life_.reset();
  life_ = std::make_unique<OrchestratorLife>(
      world_, ++lives_,
      OrchestratorLife::Options{.limits = {.sandboxes = 5, .sandboxes_of_user = 3}});
  world_.faults.delay_max = milliseconds(200);
  const auto come_at_once = [this](const std::string& user) {
    int made = 0, refused = 0, answered = 0;
    auto one = [&]() -> Task<void> {
      CreateSpec spec;
      spec.user_id = user;
      const auto created = co_await core().create(std::move(spec), kSim);
      (created ? made : refused) += 1;
      if (!created) EXPECT_EQ(created.error().code, Code::exhausted) << created.error().message;
      ++answered;
    };
    for (int i = 0; i < 10; ++i) life_->spawn(one());
    while (answered < 10) life_->run_for(seconds(1));
    EXPECT_EQ(made + refused, 10);
    return made;
  };
  EXPECT_EQ(come_at_once("alice"), 3);
  EXPECT_EQ(come_at_once("bob"), 2) << "the host is full";
  const auto rows = life_->await(core().list({.active_only = true})).value().sandboxes;
  ASSERT_EQ(rows.size(), 5U);
  // One that has ended makes room, whatever has been counted meanwhile.
  life_->run_for(seconds(60));
  EXPECT_EQ(core().active(), 5);
  EXPECT_TRUE(life_->await(core().destroy(rows[0].id, false, StopReason::user_requested, kSim)));
  EXPECT_EQ(come_at_once("carol"), 1);
}

// Who did not hear the answer asks again, and is told of what it has.
TEST_F(MachineTest, AFullHostStillKnowsWhatAKeyHasMade) {
  life_.reset();
  life_ = std::make_unique<OrchestratorLife>(world_, ++lives_,
                                             OrchestratorLife::Options{.limits = {.sandboxes = 1}});
  CreateSpec spec;
  spec.user_id = "user";
  spec.idempotency_key = IdempotencyKey{"key-1", "print-1"};
  const auto first = life_->await(core().create(spec, kSim));
  ASSERT_TRUE(first);
  EXPECT_EQ(life_->await(core().create(spec, kSim)).value().id, first->id);
  spec.idempotency_key = IdempotencyKey{"key-2", "print-1"};
  EXPECT_EQ(life_->await(core().create(spec, kSim)).error().code, Code::exhausted);
}

TEST_F(MachineTest, AHostWithoutMemoryTakesNoMore) {
  world_.faults.no_room = true;
  CreateSpec spec;
  spec.user_id = "user";
  const auto refused = life_->await(core().create(spec, kSim));
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_TRUE(life_->await(core().list({})).value().sandboxes.empty()) << "no row for it";
  world_.faults.no_room = false;
  EXPECT_TRUE(life_->await(core().create(spec, kSim)));
}

TEST_F(MachineTest, WhatNobodyAskedForFitsASmallHost) {
  const double preset = row(create()).resources.cpu;
  world_.cpus = preset / 2;
  EXPECT_EQ(row(create()).resources.cpu, preset / 2);
  world_.cpus = preset * 2;
  EXPECT_EQ(row(create()).resources.cpu, preset);
}

// --- Pause ---------------------------------------------------------------------------------------

TEST_F(MachineTest, PausedIsClosedUntilItIsResumed) {
  const SandboxId id = create();
  EXPECT_TRUE(life_->await(core().pause(id, kSim))->paused_at);
  EXPECT_EQ(state(id), ContainerState::paused);
  EXPECT_EQ(list(id, Entry::look).error().code, Code::conflict);
  EXPECT_EQ(life_->await(core().pause(id, kSim)).error().code, Code::conflict);
  EXPECT_FALSE(life_->await(core().resume(id, kSim))->paused_at);
  EXPECT_EQ(state(id), ContainerState::running);
  EXPECT_TRUE(list(id, Entry::look));
  EXPECT_EQ(life_->await(core().resume(id, kSim)).error().code, Code::conflict);
}

TEST_F(MachineTest, APauseThatFailsIsUndone) {
  const SandboxId id = create();
  world_.faults.engine_fails = 1;
  EXPECT_FALSE(life_->await(core().pause(id, kSim)));
  EXPECT_FALSE(row(id).paused_at);
  world_.faults = {};
  life_->run_for(seconds(30));
  EXPECT_EQ(state(id), ContainerState::running);
}

TEST_F(MachineTest, APauseWhoseAnswerIsLostComesToAgree) {
  const SandboxId id = create();
  world_.faults.engine_loses = 1;
  (void)life_->await(core().pause(id, kSim));
  world_.faults = {};
  life_->run_for(seconds(30));
  EXPECT_EQ(row(id).paused_at.has_value(), state(id) == ContainerState::paused);
}

TEST_F(MachineTest, APausedOneIsStoppedGracefully) {
  const SandboxId id = create();
  EXPECT_TRUE(life_->await(core().pause(id, kSim)));
  EXPECT_TRUE(life_->await(core().destroy(id, true, StopReason::user_requested, kSim)));
  EXPECT_EQ(row(id).status, Status::stopped);
  EXPECT_FALSE(world_.containers.contains(id));
}

// --- Idleness ------------------------------------------------------------------------------------

TEST_F(MachineTest, TheIdleAreEndedAndNobodyElse) {
  const SandboxId idle = create(60), without = create(), paused = create(60), busy = create(60);
  EXPECT_TRUE(life_->await(core().pause(paused, kSim)));
  const auto hold = std::make_optional(core().inside().activity().hold(busy));
  life_->run_for(seconds(50));
  EXPECT_EQ(row(idle).status, Status::ready) << "before its time";
  life_->run_for(seconds(60));
  EXPECT_EQ(row(idle).status, Status::expired);
  EXPECT_EQ(row(idle).stop_reason, StopReason::expired);
  EXPECT_EQ(row(without).status, Status::ready);
  EXPECT_TRUE(row(paused).paused_at);
  EXPECT_EQ(row(busy).status, Status::ready) << "something is going on in it";
}

TEST_F(MachineTest, RequestsAndComputingKeepAlive) {
  const SandboxId asked = create(60);
  for (int i = 0; i < 10; ++i) {
    life_->run_for(seconds(30));
    EXPECT_TRUE(list(asked, Entry::work));
  }
  life_->machine().cpu_percent = 50;
  life_->run_for(seconds(300));
  EXPECT_EQ(row(asked).status, Status::running);
  EXPECT_GT(row(asked).last_active_at.value(), row(asked).created_at);
  life_->machine().cpu_percent = 0;
  life_->run_for(seconds(120));
  EXPECT_EQ(row(asked).status, Status::expired);
}

TEST_F(MachineTest, WorkInBurstsIsSeenThoughOthersAskForItsUsage) {
  const SandboxId id = create(60);
  life_->machine().cpu_percent = 0;  // since somebody's last question, a moment ago
  for (int i = 0; i < 10; ++i) {
    life_->machine().cpu_time = seconds(10 * i);
    life_->run_for(seconds(30));
  }
  EXPECT_EQ(row(id).status, Status::ready);
  life_->run_for(seconds(120));
  EXPECT_EQ(row(id).status, Status::expired);
}

TEST_F(MachineTest, LookingOnDoesNotKeepAlive) {
  const SandboxId looked_at = create(60);
  for (int i = 0; i < 5; ++i) {
    life_->run_for(seconds(20));
    (void)list(looked_at, Entry::look);
  }
  life_->run_for(seconds(20));
  EXPECT_EQ(row(looked_at).status, Status::expired);
}

TEST_F(MachineTest, WhoComesBackGivesEverybodyTheirTimeAnew) {
  const SandboxId id = create(60);
  EXPECT_TRUE(list(id, Entry::work));
  life_->run_for(seconds(40));
  life_.reset();  // kill -9, and away for long
  world_.clock.move_to(world_.clock.now() + seconds(600));
  begin_life();
  life_->run_for(seconds(50));
  EXPECT_EQ(row(id).status, Status::running);
  life_->run_for(seconds(40));
  EXPECT_EQ(row(id).status, Status::expired);
}

// --- Usage ---------------------------------------------------------------------------------------

TEST_F(MachineTest, UsageIsKeptForHalfAnHour) {
  const SandboxId id = create();
  life_->run_for(seconds(100));
  const auto some = core().monitor().history(id);
  EXPECT_GE(some.size(), 4U);
  EXPECT_LE(some.size(), 8U);
  life_->run_for(std::chrono::minutes(50));
  const auto all = core().monitor().history(id);
  EXPECT_EQ(all.size(), kUsageSamplesMax);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &MachineUsage::at));
  EXPECT_TRUE(life_->await(core().destroy(id, false, StopReason::user_requested, kSim)));
  life_->run_for(seconds(60));
  EXPECT_TRUE(core().monitor().history(id).empty());
}

}  // namespace
}  // namespace matrx
