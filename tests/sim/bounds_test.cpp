// Promises with a number: how long a destroy may take, what a renewal is worth, what is left
// behind.

#include <gtest/gtest.h>
#include <malloc.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

constexpr auto kShutdownTimeout = std::chrono::seconds(5);  // of sim_settings()
constexpr auto kDestroyMargin = std::chrono::seconds(5);
constexpr const char* kElsewhere = "inst-elsewhere";

class Bounds : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }

  OrchestratorLife& begin_life(const std::string& installation, milliseconds clock_offset = {}) {
    OrchestratorLife::Options options;
    options.installation = installation;
    options.clock_offset = clock_offset;
    options.history_retention_days = 1;
    lives_.push_back(std::make_unique<OrchestratorLife>(world_, ++seed_, options));
    return *lives_.back();
  }

  void run_for(milliseconds duration) {
    std::vector<SimContext*> contexts;
    for (const auto& life : lives_) contexts.push_back(&life->context());
    run_virtual(contexts, world_.clock, world_.clock.now() + duration);
  }

  // A row in that state with that container, as a crash may have left it.
  SandboxId plant(Status status, std::optional<ContainerState> container, bool agent_works,
                  const std::string& installation = kSimInstallation) {
    Sandbox row;
    row.id = SandboxId::make(random_);
    row.user_id = "user";
    row.installation = installation;
    row.created_at = row.updated_at = world_.clock.now();
    row.expires_at = row.created_at + std::chrono::hours(1);
    row = run_task(world_.rows.insert(row, {.type = "created"}, {})).value().row;
    row.status = status;
    if (status == Status::shutting_down || is_final(status)) {
      row.stop_reason = StopReason::user_requested;
      row.stop_graceful = true;
      row.stop_deadline_at = world_.clock.now() + kShutdownTimeout;
    }
    if (is_final(status)) row.stopped_at = world_.clock.now();
    run_task(world_.rows.update(row, world_.clock.now(), {.type = "planted"})).value();
    if (container) {
      SimContainer& made = world_.containers[row.id];
      made = {.id = row.id, .installation = installation, .container_id = "c", .state = *container};
      made.agent_works = agent_works;
    }
    if (is_usable(status))
      world_.homes[row.id] = {installation, row.user_id, {}, HomeTree(), {}, {}};
    return row.id;
  }

  SimWorld world_{1};
  SeededRandom random_{5};
  std::vector<std::unique_ptr<OrchestratorLife>> lives_;
  std::uint64_t seed_ = 0;
};

struct Start {
  Status status;
  std::optional<ContainerState> container;
  bool agent_works = true;
  bool graceful = true;
};

std::vector<Start> all_starts() {
  std::vector<Start> all;
  for (int status = 0; status <= static_cast<int>(Status::expired); ++status) {
    for (int container = -1; container <= static_cast<int>(ContainerState::ended); ++container) {
      for (int flags = 0; flags < 4; ++flags) {
        Start start{.status = static_cast<Status>(status), .container = std::nullopt};
        if (container >= 0) start.container = static_cast<ContainerState>(container);
        start.agent_works = (flags & 1) != 0;
        start.graceful = (flags & 2) != 0;
        all.push_back(start);
      }
    }
  }
  return all;
}

TEST_F(Bounds, DestroyWorksFromEveryStateAndEndsInTime) {
  int tried = 0;
  for (const Start& start : all_starts()) {
    const SandboxId id = plant(start.status, start.container, start.agent_works);
    world_.faults.delay_max = milliseconds(20);
    OrchestratorLife life(world_, ++seed_);
    const TimePoint began = world_.clock.now();
    auto gone = life.await(
        life.core().destroy(id, start.graceful, StopReason::user_requested, Actor{"test"}));
    const auto took = world_.clock.now() - began;
    SCOPED_TRACE(
        std::string(status_name(start.status)) +
        (start.container
             ? " with a container in state " + std::to_string(static_cast<int>(*start.container))
             : " without a container") +
        (start.graceful ? ", graceful" : ", at once") + (start.agent_works ? "" : ", agent dead"));
    EXPECT_TRUE(gone.has_value());
    EXPECT_LE(took, kShutdownTimeout + kDestroyMargin);
    EXPECT_FALSE(world_.containers.contains(id));
    EXPECT_TRUE(is_final(run_task(world_.rows.get(id)).value().status));
    ++tried;
  }
  EXPECT_EQ(tried, 8 * 5 * 4);
}

TEST_F(Bounds, ManyStopsWhoseAgentsAreMuteDoNotWaitForEachOther) {
  constexpr int kSandboxes = 400;  // more than kDrivesAtOnceMax, and than one round of the expiry
  static_assert(kSandboxes > kDrivesAtOnceMax && kSandboxes > kDueAtOnceMax);
  OrchestratorLife& life = begin_life(kSimInstallation);
  std::vector<SandboxId> ids;
  for (int i = 0; i < kSandboxes; ++i) {
    ids.push_back(plant(Status::running, ContainerState::running, true));
    world_.containers[ids.back()].agent_is_mute = true;
    Sandbox row = run_task(world_.rows.get(ids.back())).value();
    row.expires_at = world_.clock.now() + seconds(3);
    run_task(world_.rows.update(row, world_.clock.now(), {.type = "planted"})).value();
  }
  life.run_for(seconds(3) + kShutdownTimeout + kDestroyMargin);
  for (const SandboxId& id : ids) {
    EXPECT_EQ(run_task(world_.rows.get(id)).value().status, Status::expired);
  }
  EXPECT_TRUE(world_.containers.empty());
}

TEST_F(Bounds, ACreateThatWaitsForOthersCanBeEnded) {
  OrchestratorLife& life = begin_life(kSimInstallation);
  world_.faults.agent_never_ready = 1;
  constexpr int kCreates = 3 * static_cast<int>(kDockerCreatesAtOnceMax);
  auto create = [&]() -> Task<void> {
    CreateSpec spec;
    spec.user_id = "user";
    EXPECT_FALSE(co_await life.core().create(std::move(spec), {"test"}));
  };
  for (int i = 0; i < kCreates; ++i) life.spawn(create());
  life.run_for(seconds(2));
  std::vector<SandboxId> waiting;
  for (const Sandbox& row : run_task(world_.rows.list({})).value().sandboxes) {
    if (row.status == Status::creating) waiting.push_back(row.id);
  }
  ASSERT_EQ(waiting.size(), kCreates - kDockerCreatesAtOnceMax);
  const auto made = world_.created_count;
  const TimePoint began = world_.clock.now();
  EXPECT_TRUE(life.await(life.core().destroy(waiting[0], true, StopReason::admin, {"t"})));
  EXPECT_LE(world_.clock.now() - began, kDestroyMargin);
  EXPECT_EQ(world_.created_count, made) << "a container was made for it all the same";
}

// However long the making takes: nobody is handed a sandbox whose time is over.
TEST_F(Bounds, TheTimeOfASandboxBeginsWhenItIsHandedOver) {
  OrchestratorLife& life = begin_life(kSimInstallation);
  world_.faults.delay_max = seconds(3);
  for (int i = 0; i < 20; ++i) {
    CreateSpec spec;
    spec.user_id = "user-" + std::to_string(i);
    spec.ttl_seconds = 2;
    const auto made = life.await(life.core().create(std::move(spec), {"test"}));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->expires_at, made->updated_at + seconds(2));
    EXPECT_GT(made->expires_at, world_.clock.now());
  }
}

TEST_F(Bounds, AStopWrittenElsewhereDuringACreateIsCarriedOut) {
  OrchestratorLife& here = begin_life(kSimInstallation);
  OrchestratorLife& there = begin_life(kElsewhere);
  run_for(seconds(1));
  world_.faults.agent_never_ready = 1;
  world_.faults.delay_max = milliseconds(20);
  bool answered = false, gone = false;
  auto create = [&]() -> Task<void> {
    CreateSpec spec;
    spec.user_id = "user";
    EXPECT_FALSE(co_await here.core().create(std::move(spec), {"test"}));
    answered = true;
  };
  here.spawn(create());
  run_for(seconds(2));
  const auto rows = run_task(world_.rows.list({})).value().sandboxes;
  ASSERT_EQ(rows.size(), 1U);
  ASSERT_EQ(rows[0].status, Status::starting);
  auto destroy = [&]() -> Task<void> {
    gone = (co_await there.core().destroy(rows[0].id, false, StopReason::admin, {"t"})).has_value();
  };
  there.spawn(destroy());
  run_for(kDestroyMargin);
  EXPECT_TRUE(answered && gone);
  EXPECT_TRUE(world_.containers.empty());
}

TEST_F(Bounds, DestroyOfAnotherHostsSandboxWorksFromEveryState) {
  OrchestratorLife& here = begin_life("inst-here");
  begin_life(kElsewhere);
  run_for(seconds(1));
  for (const Start& start : all_starts()) {
    const SandboxId id = plant(start.status, start.container, start.agent_works, kElsewhere);
    std::optional<bool> gone;
    auto destroy = [&]() -> Task<void> {
      const auto done = co_await here.core().destroy(id, start.graceful, StopReason::admin, {"t"});
      gone = done.has_value();
    };
    here.spawn(destroy());
    run_for(kShutdownTimeout + kDestroyMargin);
    EXPECT_TRUE(gone.value_or(false)) << status_name(start.status);
    EXPECT_TRUE(is_final(run_task(world_.rows.get(id)).value().status));
    run_for(seconds(30));  // one that was final before is cleaned up by its own host's rounds
    EXPECT_FALSE(world_.containers.contains(id)) << status_name(start.status);
  }
}

// 1,000 sandboxes, 100,000 renewals in the moments around their ends, over two orchestrators whose
// clocks are ten minutes apart.
TEST_F(Bounds, RenewalsRaceExpiry) {
  constexpr int kSandboxes = 1000;
  constexpr int kRenewalsEach = 100;
  OrchestratorLife& a = begin_life(kSimInstallation, std::chrono::minutes(-5));
  OrchestratorLife& b = begin_life(kElsewhere, std::chrono::minutes(5));
  world_.faults.delay_max = milliseconds(20);
  int renewed = 0, refused = 0;
  std::map<SandboxId, TimePoint> promised;
  auto renew = [&](SandboxId id, OrchestratorLife& at, int number) -> Task<void> {
    for (int i = 0; i < kRenewalsEach; ++i) {
      const auto row = co_await at.core().extend(id, seconds(2), {"test"});
      if (row) {
        ++renewed;
        promised[id] = std::max(promised[id], row->expires_at);
      } else {
        ++refused;
      }
      // Sometimes well before the end, sometimes a little too late.
      co_await world_.clock.sleep(milliseconds(1700 + (i * 37 + number * 13) % 400));
    }
  };
  for (int i = 0; i < kSandboxes; ++i) {
    const SandboxId id = plant(Status::running, ContainerState::running, true);
    Sandbox row = run_task(world_.rows.get(id)).value();
    row.expires_at = world_.clock.now() + seconds(2);
    run_task(world_.rows.update(row, world_.clock.now(), {.type = "planted"})).value();
    OrchestratorLife& at = i % 2 == 0 ? a : b;
    at.spawn(renew(id, at, i));
  }
  run_for(std::chrono::minutes(5));
  EXPECT_EQ(renewed + refused, kSandboxes * kRenewalsEach);
  EXPECT_GT(renewed, kSandboxes);
  EXPECT_GT(refused, kSandboxes);  // both sides of the race were run
  ListQuery all;
  all.limit = kSandboxes;
  for (const Sandbox& row : run_task(world_.rows.list(all)).value().sandboxes) {
    EXPECT_EQ(row.status, Status::expired) << "immortal";
    EXPECT_GE(row.stopped_at, row.expires_at) << "ended early";
    EXPECT_GE(row.expires_at, promised[row.id]) << "a promise was broken";
  }
  EXPECT_TRUE(world_.containers.empty());
}

TEST_F(Bounds, CyclesLeaveNothingBehind) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer's heap tells nothing";
#endif
#endif
  constexpr int kCycles = 2000;
  OrchestratorLife life(world_, 1);
  auto cycle = [&]() -> Task<void> {
    CreateSpec spec;
    spec.user_id = "user";
    const auto made = co_await life.core().create(std::move(spec), {"test"});
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE(co_await life.core().exec(made->id, {.command = "echo"}, {"test"}));
    EXPECT_TRUE(co_await life.core().destroy(made->id, true, StopReason::admin, {"test"}));
  };
  const auto bytes_after = [&](int cycles) {
    for (int i = 0; i < cycles; ++i) life.spawn(cycle());
    life.run_for(std::chrono::minutes(2));
    // Ended rows and the feed are memory on purpose; forget them.
    const TimePoint later = world_.clock.now() + std::chrono::hours(1);
    run_task(world_.rows.prune(later, later, kCycles)).value();
    world_.ended_events.clear();
    return mallinfo2().uordblks;
  };
  bytes_after(kCycles);
  bytes_after(kCycles);  // the feed's ring is full now
  const auto before = bytes_after(kCycles);
  const auto after = bytes_after(kCycles);
  EXPECT_LE(after, before + 64 * 1024);
  EXPECT_EQ(life.core().active(), 0);
}

TEST_F(Bounds, WhatALostHostLeftBehindEndsWhenItsTimeIsOver) {
  begin_life(kSimInstallation);
  const SandboxId id = plant(Status::running, ContainerState::running, true, kElsewhere);
  run_for(std::chrono::minutes(59));
  EXPECT_EQ(run_task(world_.rows.get(id)).value().status, Status::running);
  run_for(std::chrono::minutes(10));
  const Sandbox row = run_task(world_.rows.get(id)).value();
  EXPECT_EQ(row.status, Status::stopped);
  EXPECT_EQ(row.stop_reason, StopReason::lost);
  EXPECT_TRUE(world_.containers.contains(id));  // out of reach
  begin_life(kElsewhere);                       // it comes back
  run_for(seconds(30));
  EXPECT_FALSE(world_.containers.contains(id));
}

TEST_F(Bounds, OneCaretakerAtATimeAndNeverNone) {
  begin_life("inst-0");
  begin_life("inst-1");
  run_for(std::chrono::hours(1));
  const auto& rounds = world_.caretaker_rounds;
  ASSERT_EQ(rounds.size(), 1U) << "two of them did the same work";
  const std::string first = rounds.begin()->first;
  EXPECT_GE(rounds.begin()->second, 55);
  lives_.erase(lives_.begin() + (first == "inst-0" ? 0 : 1));
  run_for(std::chrono::minutes(10));
  ASSERT_EQ(rounds.size(), 2U) << "nobody took over";
}

TEST_F(Bounds, ReconcilesManyWithoutTouchingAny) {
  constexpr int kSandboxes = 20'000;
  for (int i = 0; i < kSandboxes; ++i) plant(Status::running, ContainerState::running, true);
  OrchestratorLife life(world_, 1);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(life.await(life.core().reconcile()));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  RecordProperty("reconcile_ms", std::to_string(took.count()));
  std::cout << kSandboxes << " running sandboxes reconciled in " << took.count() << " ms\n";
  ListQuery stopped;
  stopped.status = Status::running;
  EXPECT_EQ(run_task(world_.rows.list(stopped)).value().total, kSandboxes);
  EXPECT_EQ(world_.containers.size(), static_cast<std::size_t>(kSandboxes));
}

TEST_F(Bounds, HistoryIsKeptAsLongAsPromised) {
  const SandboxId ended = plant(Status::stopped, std::nullopt, true);
  begin_life(kSimInstallation);
  run_for(std::chrono::hours(23));
  EXPECT_TRUE(run_task(world_.rows.get(ended)).has_value());
  run_for(std::chrono::hours(2));
  EXPECT_EQ(run_task(world_.rows.get(ended)).error().code, Code::not_found);
}

TEST_F(Bounds, WhatALostHostHasToCleanUpIsNotForgottenBefore) {
  begin_life(kSimInstallation);
  const SandboxId id = plant(Status::running, ContainerState::running, true, kElsewhere);
  run_for(std::chrono::hours(30));  // the retention is a day
  EXPECT_EQ(run_task(world_.rows.get(id)).value().stop_reason, StopReason::lost);
  begin_life(kElsewhere);
  run_for(seconds(30));
  EXPECT_FALSE(world_.containers.contains(id));
  run_for(std::chrono::minutes(3));
  EXPECT_EQ(run_task(world_.rows.get(id)).error().code, Code::not_found);
}

TEST_F(Bounds, ForALostHostNobodyWaitsForEver) {
  begin_life(kSimInstallation);
  const SandboxId id = plant(Status::stopped, std::nullopt, true, kElsewhere);
  Sandbox row = run_task(world_.rows.get(id)).value();
  row.stopped_at =
      world_.clock.now() - std::chrono::days(1) - kLostHostReturns + std::chrono::minutes(5);
  run_task(world_.rows.update(row, world_.clock.now(), {.type = "long ago"})).value();
  run_for(std::chrono::minutes(3));
  EXPECT_TRUE(run_task(world_.rows.get(id)).has_value());
  run_for(std::chrono::minutes(5));
  EXPECT_EQ(run_task(world_.rows.get(id)).error().code, Code::not_found);
}

TEST_F(Bounds, AStopWrittenByHandWithoutAReasonComesToRest) {
  OrchestratorLife& life = begin_life(kSimInstallation);
  const SandboxId id = plant(Status::running, ContainerState::running, true);
  Sandbox row = run_task(world_.rows.get(id)).value();
  row.status = Status::shutting_down;
  run_task(world_.rows.update(row, world_.clock.now(), {.type = "by hand"})).value();
  life.run_for(seconds(15));
  row = run_task(world_.rows.get(id)).value();
  EXPECT_EQ(row.status, Status::stopped);
  EXPECT_EQ(row.stop_reason, StopReason::admin);
}

}  // namespace
}  // namespace matrx
