// Every combination that there is: what holds for all of them.

#include <gtest/gtest.h>

#include "core/next_step.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr TimePoint kTableTime = TimePoint(milliseconds(1'000'000));

struct Case {
  Sandbox row;
  std::optional<Container> container;
  bool due = false;
  bool told = false;
  bool saved = false;  // or tried
  bool stuck = false;
  Step step = Step::none;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (int status = 0; status <= static_cast<int>(Status::expired); ++status) {
    for (int container = -1; container <= static_cast<int>(ContainerState::ended); ++container) {
      for (int flags = 0; flags < 256; ++flags) {
        Case c{.due = (flags & 1) != 0, .told = (flags & 2) != 0};
        c.row.status = static_cast<Status>(status);
        c.row.stop_graceful = (flags & 4) != 0;
        if (flags & 8) c.row.paused_at = kTableTime;
        c.saved = (flags & 16) != 0;
        c.stuck = (flags & 32) != 0;
        c.row.storage_state = static_cast<StorageState>(flags >> 6);
        c.row.expires_at = c.due ? kTableTime : kTableTime + milliseconds(1);
        c.row.stop_deadline_at = c.row.expires_at;
        if (container >= 0)
          c.container = Container{.state = static_cast<ContainerState>(container)};
        c.step =
            next_step(c.row, c.container, kTableTime,
                      {.agent_told = c.told, .home_saved = c.saved, .removal_failed = c.stuck});
        cases.push_back(std::move(c));
      }
    }
  }
  return cases;
}

bool has(const Case& c, ContainerState state) { return c.container && c.container->state == state; }

bool runs(const Case& c) {
  return has(c, ContainerState::running) || has(c, ContainerState::paused);
}

TEST(NextStepTable, AContainerIsRemovedOnlyWhereNobodyMayUseIt) {
  for (const Case& c : all_cases()) {
    if (c.step != Step::remove_container) continue;
    EXPECT_TRUE(c.container.has_value());
    EXPECT_TRUE(is_final(c.row.status) || c.row.status == Status::shutting_down);
  }
}

TEST(NextStepTable, NothingToDoMeansRowAndWorldAgree) {
  for (const Case& c : all_cases()) {
    if (c.step != Step::none) continue;
    const bool gone = is_final(c.row.status) && !c.container;
    const bool alive = is_usable(c.row.status) && !c.due &&
                       has(c, c.row.paused_at ? ContainerState::paused : ContainerState::running);
    EXPECT_TRUE(gone || alive) << status_name(c.row.status);
  }
}

TEST(NextStepTable, FinalRowsAreNeverWrittenAgain) {
  for (const Case& c : all_cases()) {
    if (!is_final(c.row.status)) continue;
    EXPECT_TRUE(c.step == Step::none || c.step == Step::remove_container ||
                c.step == Step::save_home);
  }
}

TEST(NextStepTable, TheAgentIsToldOnlyWhereItCanHearAndHasNot) {
  int told = 0;
  for (const Case& c : all_cases()) {
    if (c.step != Step::tell_agent) continue;
    ++told;
    EXPECT_TRUE(has(c, ContainerState::running) && c.row.stop_graceful && !c.told && !c.due);
    EXPECT_EQ(c.row.status, Status::shutting_down);
  }
  EXPECT_EQ(told, 2 * 16);  // whether it was paused once or not, and whatever its home
}

TEST(NextStepTable, AHomeIsSavedOnlyWhereNothingRunsAndOnlyOnceInARun) {
  for (const Case& c : all_cases()) {
    const bool ended = is_final(c.row.status) || c.row.status == Status::shutting_down;
    const bool unsaved = c.row.storage_state ==
                         (is_final(c.row.status) ? StorageState::pending : StorageState::active);
    EXPECT_EQ(c.step == Step::save_home, ended && unsaved && !runs(c) && !c.saved)
        << status_name(c.row.status);
  }
}

TEST(NextStepTable, AStopEndsWithoutAContainerOrWithOneThatTheEngineKeeps) {
  for (const Case& c : all_cases()) {
    const bool over = !c.container.has_value() || (!runs(c) && c.stuck);
    const bool unsaved = c.row.storage_state == StorageState::active && !c.saved;
    EXPECT_EQ(c.step == Step::finish_stop,
              c.row.status == Status::shutting_down && over && !unsaved);
  }
}

TEST(NextStepTable, OnlyStartsAreAbandonedAndOnlyUsableOnesExpire) {
  for (const Case& c : all_cases()) {
    EXPECT_EQ(c.step == Step::abandon,
              c.row.status == Status::creating || c.row.status == Status::starting);
    if (c.step == Step::begin_expiry) {
      EXPECT_TRUE(c.due && is_usable(c.row.status));
    }
    if (c.step == Step::mark_lost) {
      EXPECT_TRUE(is_usable(c.row.status));
    }
  }
}

}  // namespace
}  // namespace matrx
