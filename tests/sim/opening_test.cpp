// The start of an orchestrator whose dependencies are away.

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

class OpeningSim : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }
  void open() {
    auto opening = [this]() -> Task<void> { opened_ = co_await life_.core().open(); };
    life_.spawn(opening());
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1};
  std::optional<Result<void>> opened_;
};

TEST_F(OpeningSim, WhatIsAwayIsWaitedForHoweverLong) {
  world_.faults.storage_open_fails = Code::unavailable;
  open();
  life_.run_for(std::chrono::hours(1));
  ASSERT_FALSE(opened_.has_value());
  ASSERT_TRUE(life_.core().opening().has_value());
  EXPECT_EQ(life_.core().opening()->message, "The storage.");
  EXPECT_TRUE(life_.await(life_.core().check_store())) << "it is not what is waited for";
  EXPECT_FALSE(life_.await(life_.core().check_storage()));
  world_.faults.storage_open_fails.reset();
  EXPECT_FALSE(life_.await(life_.core().check_storage())) << "there, and nobody has looked yet";
  life_.run_for(seconds(16));
  ASSERT_TRUE(opened_.has_value());
  EXPECT_TRUE(opened_->has_value());
  EXPECT_FALSE(life_.core().opening().has_value());
  EXPECT_TRUE(life_.await(life_.core().check_storage()));
}

TEST_F(OpeningSim, AFullDiskIsWaitedForWithTheReserve) {
  world_.disk.has_reserve = true;
  world_.faults.storage_open_fails = Code::exhausted;
  open();
  life_.run_for(milliseconds(100));
  EXPECT_FALSE(world_.disk.has_reserve);
  EXPECT_FALSE(opened_.has_value());
}

TEST_F(OpeningSim, WhatWaitingDoesNotCureEndsIt) {
  for (const Code code : {Code::invalid, Code::internal, Code::conflict}) {
    world_.faults.storage_open_fails = code;
    opened_.reset();
    open();
    life_.run_for(seconds(1));
    ASSERT_TRUE(opened_.has_value()) << code_name(code);
    EXPECT_EQ(opened_->error().code, code);
  }
}

}  // namespace
}  // namespace matrx
