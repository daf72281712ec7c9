#include "core/next_step.hpp"

#include <gtest/gtest.h>

#include "model/states.hpp"

namespace matrx {
namespace {

constexpr TimePoint kNow = TimePoint(milliseconds(1'000'000));

Sandbox row_in(Status status) {
  Sandbox row;
  row.status = status;
  row.expires_at = kNow + seconds(60);
  return row;
}

std::optional<Container> container_in(ContainerState state) {
  return Container{.container_id = "c", .state = state};
}

const std::optional<Container> kNone;
const auto kCreated = container_in(ContainerState::created);
const auto kRunning = container_in(ContainerState::running);
const auto kPaused = container_in(ContainerState::paused);
const auto kEnded = container_in(ContainerState::ended);

TEST(NextStep, AStartWithoutItsStarterIsAbandonedWhateverExists) {
  for (Status status : {Status::creating, Status::starting}) {
    for (const auto& container : {kNone, kCreated, kRunning, kEnded}) {
      EXPECT_EQ(next_step(row_in(status), container, kNow, {}), Step::abandon);
    }
  }
}

TEST(NextStep, AUsableSandboxNeedsALivingContainer) {
  for (Status status : {Status::ready, Status::running}) {
    EXPECT_EQ(next_step(row_in(status), kRunning, kNow, {}), Step::none);
    EXPECT_EQ(next_step(row_in(status), kPaused, kNow, {}), Step::resume);
    EXPECT_EQ(next_step(row_in(status), kNone, kNow, {}), Step::mark_lost);
    EXPECT_EQ(next_step(row_in(status), kCreated, kNow, {}), Step::mark_lost);
    EXPECT_EQ(next_step(row_in(status), kEnded, kNow, {}), Step::mark_lost);
  }
}

TEST(NextStep, APausedOneStandsStillAndExpiresAllTheSame) {
  Sandbox row = row_in(Status::running);
  row.paused_at = kNow;
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::pause);
  EXPECT_EQ(next_step(row, kPaused, kNow, {}), Step::none);
  EXPECT_EQ(next_step(row, kEnded, kNow, {}), Step::mark_lost);
  row.expires_at = kNow;
  EXPECT_EQ(next_step(row, kPaused, kNow, {}), Step::begin_expiry);
  row.status = Status::shutting_down;  // not paused again on its way out
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
}

TEST(NextStep, TimeRunsOutAtExpiresAt) {
  Sandbox row = row_in(Status::running);
  row.expires_at = kNow + milliseconds(1);
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::none);
  row.expires_at = kNow;
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::begin_expiry);
  EXPECT_EQ(next_step(row, kEnded, kNow, {}), Step::mark_lost);  // it did not live that long
}

TEST(NextStep, AGracefulStopTellsTheAgentOnceAndInTime) {
  Sandbox row = row_in(Status::shutting_down);
  row.stop_graceful = true;
  row.stop_deadline_at = kNow + seconds(1);
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::tell_agent);
  EXPECT_EQ(next_step(row, kRunning, kNow, {.agent_told = true}), Step::remove_container);
  EXPECT_EQ(next_step(row, kEnded, kNow, {}), Step::remove_container);
  EXPECT_EQ(next_step(row, kPaused, kNow, {}), Step::resume);  // or it could not hear
  EXPECT_EQ(next_step(row, kPaused, kNow, {.agent_told = true}), Step::remove_container);
  row.stop_deadline_at = kNow;
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
  row.stop_deadline_at.reset();
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
}

TEST(NextStep, AStopIsOverWhenTheContainerIsGoneAndNotBefore) {
  const Sandbox row = row_in(Status::shutting_down);
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
  EXPECT_EQ(next_step(row, kEnded, kNow, {.agent_told = true}), Step::remove_container);
  EXPECT_EQ(next_step(row, kNone, kNow, {}), Step::finish_stop);
}

// Nothing runs in a container that has ended: an engine that cannot remove it holds up neither the
// home nor the row.
TEST(NextStep, AHomeIsSavedBeforeWhatHasEndedIsRemoved) {
  Sandbox row = row_in(Status::shutting_down);
  row.storage_state = StorageState::active;
  EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
  EXPECT_EQ(next_step(row, kRunning, kNow, {.removal_failed = true}), Step::remove_container);
  for (const auto& container : {kNone, kEnded}) {
    EXPECT_EQ(next_step(row, container, kNow, {}), Step::save_home);
    EXPECT_EQ(next_step(row, container, kNow, {.removal_failed = true}), Step::save_home);
  }
  EXPECT_EQ(next_step(row, kEnded, kNow, {.home_saved = true}), Step::remove_container);
  EXPECT_EQ(next_step(row, kEnded, kNow, {.home_saved = true, .removal_failed = true}),
            Step::finish_stop);
  for (Status status : {Status::stopped, Status::failed, Status::expired}) {
    row = row_in(status);
    row.storage_state = StorageState::pending;
    EXPECT_EQ(next_step(row, kRunning, kNow, {}), Step::remove_container);
    EXPECT_EQ(next_step(row, kEnded, kNow, {}), Step::save_home);
    EXPECT_EQ(next_step(row, kEnded, kNow, {.home_saved = true}), Step::remove_container);
  }
}

TEST(NextStep, NothingIsLeftOfAFinalOne) {
  for (Status status : {Status::stopped, Status::failed, Status::expired}) {
    EXPECT_EQ(next_step(row_in(status), kNone, kNow, {}), Step::none);
    EXPECT_EQ(next_step(row_in(status), kRunning, kNow, {}), Step::remove_container);
    EXPECT_EQ(next_step(row_in(status), kEnded, kNow, {}), Step::remove_container);
  }
}

}  // namespace
}  // namespace matrx
