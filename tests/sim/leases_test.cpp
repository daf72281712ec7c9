// Who works on a user's home: one at a time, also where one of them no longer reaches the registry.

#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

class Leases : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }
  OrchestratorLife& begin_life(const std::string& installation) {
    OrchestratorLife::Options options;
    options.installation = installation;
    lives_.push_back(std::make_unique<OrchestratorLife>(world_, lives_.size() + 1, options));
    return *lives_.back();
  }
  void run_for(milliseconds duration) {
    std::vector<SimContext*> contexts;
    for (const auto& life : lives_) contexts.push_back(&life->context());
    run_virtual(contexts, world_.clock, world_.clock.now() + duration);
  }
  void create_at(OrchestratorLife& life, std::optional<Result<Sandbox>>& made) {
    auto task = [](OrchestratorLife& at, std::optional<Result<Sandbox>>& out) -> Task<void> {
      CreateSpec spec;
      spec.user_id = "user";
      out = co_await at.core().create(std::move(spec), {"test"});
    };
    life.spawn(task(life, made));
  }
  // A sandbox whose checkpoint is under way, and goes on for minutes.
  void begin_long_checkpoint(OrchestratorLife& life) {
    std::optional<Result<Sandbox>> made;
    create_at(life, made);
    run_for(seconds(1));
    ASSERT_TRUE(made && *made);
    for (int n = 0; n < 600; ++n) {
      world_.homes[(*made)->id].tree["file-" + std::to_string(n)] = {.modified_ns = n + 1};
    }
    world_.faults.delay_max = milliseconds(300);
    run_for(seconds(20));
    ASSERT_FALSE(world_.changes.empty()) << "no checkpoint is under way";
  }
  std::vector<TimePoint> changes_of(std::uint64_t life) {
    std::vector<TimePoint> times;
    for (const auto& change : world_.changes) {
      if (change.life == life) times.push_back(change.at);
    }
    return times;
  }

  SimWorld world_{1};
  std::vector<std::unique_ptr<OrchestratorLife>> lives_;
};

// One that is cut off from the registry, and not from the storage, stops before its lease is over.
TEST_F(Leases, WhoCannotRenewStopsBeforeSomebodyElseBegins) {
  OrchestratorLife& a = begin_life("inst-a");
  OrchestratorLife& b = begin_life("inst-b");
  ASSERT_NO_FATAL_FAILURE(begin_long_checkpoint(a));
  const TimePoint cut_off = world_.clock.now();
  world_.cut_off_lives.insert(1);
  std::optional<Result<Sandbox>> made;
  create_at(b, made);
  while (!made && world_.clock.now() < cut_off + std::chrono::minutes(3)) run_for(seconds(1));
  ASSERT_TRUE(made && *made) << made->error().message;
  const TimePoint last_of_a = changes_of(1).back();
  EXPECT_GT(last_of_a, cut_off);
  EXPECT_LT(last_of_a, cut_off + seconds(kHomeLockLease) - kHomeLockMargin + seconds(1));
  run_for(seconds(60));
  EXPECT_EQ(changes_of(1).back(), last_of_a) << "it went on without the lease";
  world_.cut_off_lives.clear();
  world_.faults = {};
  run_for(seconds(120));
  EXPECT_TRUE(world_.manifests["user"].contains("file-599"));
}

// A process that gets no processor for a minute: of what it does afterwards only what was on its
// way may still arrive.
TEST_F(Leases, WhoStoodStillChangesNothingAfterwards) {
  OrchestratorLife& a = begin_life("inst-a");
  OrchestratorLife& b = begin_life("inst-b");
  ASSERT_NO_FATAL_FAILURE(begin_long_checkpoint(a));
  std::optional<Result<Sandbox>> made;
  create_at(b, made);
  run_virtual({&b.context()}, world_.clock, world_.clock.now() + seconds(90));
  ASSERT_TRUE(made && *made) << "nobody took over";
  const auto before = changes_of(1).size();
  const TimePoint again = world_.clock.now();
  run_for(kSyncRetryDelay - milliseconds(50));  // then it asks for the lease anew
  EXPECT_LE(changes_of(1).size(), before + 1);
  EXPECT_LE(changes_of(1).back(), again + milliseconds(300));
  world_.faults = {};
  run_for(seconds(120));
  EXPECT_TRUE(world_.manifests["user"].contains("file-599"));
}

// Copies of one disk: both believe to be the same installation.
TEST_F(Leases, TwoProcessesOfOneInstallationDoNotShareALease) {
  OrchestratorLife& a = begin_life("inst-a");
  ASSERT_NO_FATAL_FAILURE(begin_long_checkpoint(a));
  begin_life("inst-a");  // sees the same row, and believes that its home is here
  run_for(seconds(60));
  EXPECT_TRUE(changes_of(2).empty()) << "it works on the home while the other one does";
  EXPECT_GT(changes_of(1).back(), world_.clock.now() - seconds(5));
}

}  // namespace
}  // namespace matrx
