#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "async/clock.hpp"
#include "async/notice.hpp"
#include "async/offload.hpp"
#include "async/race.hpp"
#include "async/steady_time.hpp"
#include "async/task_failures.hpp"
#include "async/task_group.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

using namespace std::chrono_literals;

Task<void> yield() { co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable); }

Task<void> hold(Turns& turns, std::string key, int number, std::vector<int>& order) {
  const auto turn = co_await turns.take(std::move(key));
  order.push_back(number);
  for (int i = 0; i < 5; ++i) co_await yield();
  order.push_back(number);
}

TEST(Turns, OneAtATimeInOrderOfArrival) {
  Turns turns;
  std::vector<int> order;
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 1; i <= 3; ++i) group.spawn("hold", hold(turns, "a", i, order));
    co_await group.join();
  };
  run_task(all());
  EXPECT_EQ(order, (std::vector{1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(turns.held(), 0U);
}

TEST(Turns, KeysDoNotWaitForEachOther) {
  Turns turns;
  auto all = [&]() -> Task<void> {
    const auto first = co_await turns.take("a");
    const auto second = co_await turns.take("b");
    EXPECT_FALSE(turns.try_take("a"));
    EXPECT_TRUE(turns.try_take("c"));
  };
  run_task(all());
}

TEST(Turns, WhoIsCancelledWhileWaitingLeavesTheLine) {
  Turns turns;
  std::vector<int> order;
  auto all = [&]() -> Task<void> {
    const auto executor = co_await asio::this_coro::executor;
    TaskGroup cancelled(executor), kept(executor);
    {
      const auto turn = co_await turns.take("a");
      cancelled.spawn("gives up", hold(turns, "a", 1, order));
      kept.spawn("waits", hold(turns, "a", 2, order));
      co_await yield();
      co_await yield();
      cancelled.cancel();
      co_await cancelled.join();
    }
    co_await kept.join();
  };
  run_task(all());
  EXPECT_EQ(order, (std::vector{2, 2}));
  EXPECT_EQ(turns.held(), 0U);
}

TEST(Slots, HoldBackWhatIsTooMuch) {
  Slots slots(2);
  int now = 0, most = 0;
  auto one = [&]() -> Task<void> {
    const auto slot = co_await slots.take();
    most = std::max(most, ++now);
    for (int i = 0; i < 3; ++i) co_await yield();
    --now;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < 7; ++i) group.spawn("one", one());
    co_await group.join();
  };
  run_task(all());
  EXPECT_EQ(most, 2);
}

TEST(TaskGroup, AnExceptionEndsOnlyItsTask) {
  log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  int done = 0;
  auto bad = []() -> Task<void> {
    co_await yield();
    throw std::runtime_error("a bug");
  };
  auto good = [&]() -> Task<void> {
    for (int i = 0; i < 5; ++i) co_await yield();
    ++done;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("bad", bad());
    group.spawn("good", good());
    co_await group.join();
    EXPECT_EQ(group.size(), 0U);
  };
  run_task(all());
  EXPECT_EQ(done, 1);
}

// Sleeps no time, and keeps what it was asked for.
struct ToldClock : SystemClock {
  Task<void> sleep(milliseconds duration) override {
    slept.push_back(duration);
    co_await yield();
  }
  std::vector<milliseconds> slept;
};

TEST(TaskGroup, ALoopThatABugHasEndedBeginsAnewAfterAGrowingPause) {
  log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  ToldClock clock;
  int begun = 0;
  bool lives = false;
  auto loop = [&]() -> Task<void> {
    if (++begun <= 12) throw std::bad_alloc();
    // A wait that somebody else has aborted is a bug as well, and no end.
    if (begun == 13) throw boost::system::system_error(asio::error::operation_aborted);
    lives = true;
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
  };
  auto all = [&]() -> Task<void> {
    const Executor executor = co_await asio::this_coro::executor;
    TaskGroup group(executor);
    group.spawn_for_ever("loop", clock, loop);
    while (!lives) co_await yield();
    EXPECT_EQ(task_failures(executor).at("loop"), 13);
    group.cancel();
    co_await group.join();
    EXPECT_EQ(task_failures(executor).at("loop"), 13) << "an end that was asked for is no failure";
  };
  run_task(all());
  EXPECT_EQ(begun, 14);
  ASSERT_EQ(clock.slept.size(), 13U);
  EXPECT_EQ(clock.slept[0], kTaskRestartMin);
  EXPECT_EQ(clock.slept[1], 2 * kTaskRestartMin);
  EXPECT_EQ(clock.slept[12], kTaskRestartMax);
}

TEST(TaskGroup, WhoComesAfterTheCancellationIsCancelledToo) {
  SystemClock clock;
  auto sleeper = [&]() -> Task<void> { co_await clock.sleep(1h); };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.cancel();
    group.spawn("late", sleeper());
    co_await yield();
    group.spawn("later", sleeper());
    co_await group.join();
  };
  run_task(all());
}

// A clock that somebody sets.
struct SetClock : SystemClock {
  TimePoint now() const override { return TimePoint(up + ahead); }
  milliseconds boot_time() const override { return up; }
  milliseconds up{1'000'000}, ahead{50'000'000};
};

TEST(SteadyTime, FollowsSmallStepsAndNoLargeOnes) {
  log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  SetClock clock;
  SteadyTime time(clock);
  EXPECT_EQ(time.now(), clock.now());
  clock.ahead += 30s;
  EXPECT_EQ(time.now(), clock.now());
  for (const milliseconds step : {milliseconds(1h), milliseconds(-2h)}) {
    const TimePoint before = time.now();
    clock.ahead += step;
    clock.up += 5s;
    EXPECT_EQ(time.now(), before + 5s);
    EXPECT_EQ(time.step(), step);
    clock.ahead -= step;  // taken back
    EXPECT_EQ(time.now(), clock.now());
    EXPECT_EQ(time.step(), 0s);
  }
  clock.ahead += 1h;
  (void)time.now();
  time.confirm();
  EXPECT_EQ(time.now(), clock.now());
  EXPECT_EQ(time.step(), 0s);
}

TEST(TaskGroup, CancelEndsSleepers) {
  SystemClock clock;
  bool woke = false;
  auto sleeper = [&]() -> Task<void> {
    co_await clock.sleep(1h);
    woke = true;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("sleeper", sleeper());
    co_await yield();
    group.cancel();
    co_await group.join();
  };
  run_task(all());
  EXPECT_FALSE(woke);
}

TEST(WithDeadline, GivesTheResultOrNothing) {
  SystemClock clock;
  auto slow = [&](milliseconds time) -> Task<int> {
    co_await clock.sleep(time);
    co_return 7;
  };
  auto all = [&]() -> Task<void> {
    EXPECT_EQ(co_await with_deadline(clock, 1h, slow(1ms)), 7);
    EXPECT_EQ(co_await with_deadline(clock, 1ms, slow(1h)), std::nullopt);
  };
  run_task(all());
}

// Whoever reads a stream in slices of time would lose what came just then.
TEST(WithDeadline, KeepsWhatWasDoneWhenTheTimeRanOut) {
  SystemClock clock;
  auto deaf = [&](Result<int> result) -> Task<Result<int>> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await clock.sleep(50ms);
    co_return result;
  };
  auto all = [&]() -> Task<void> {
    const auto kept = co_await with_deadline(clock, 1ms, deaf(7));
    EXPECT_TRUE(kept && *kept && **kept == 7);
    const auto cancelled = fail(Code::cancelled, "The connection was lost.");
    EXPECT_FALSE(co_await with_deadline(clock, 1ms, deaf(cancelled)));
    const auto late = co_await within(clock, 1ms, "It", deaf(cancelled));
    EXPECT_EQ(late.error().code, Code::timeout);
  };
  run_task(all());
}

// A bug must not look like an answer that does not come.
TEST(WithDeadline, AnExceptionComesThroughAtOnce) {
  SystemClock clock;
  auto broken = [&]() -> Task<int> {
    co_await clock.sleep(1ms);
    throw std::bad_alloc();
  };
  auto all = [&]() -> Task<void> { (void)co_await with_deadline(clock, 1h, broken()); };
  EXPECT_THROW(run_task(all()), std::bad_alloc);
}

TEST(Race, TheFirstEndsTheOther) {
  SystemClock clock;
  std::string told;
  auto runner = [&](milliseconds time, std::string name) -> Task<void> {
    const struct Leaving {
      std::string& told;
      std::string name;
      ~Leaving() { told += name; }
    } leaving{told, name};
    co_await clock.sleep(time);
    told += "arrived:";
  };
  auto all = [&]() -> Task<void> {
    EXPECT_EQ(co_await race(runner(1ms, "a"), runner(1h, "b")), 0);
    EXPECT_EQ(told, "arrived:ab");
    EXPECT_EQ(co_await race(runner(1h, "c"), runner(1ms, "d")), 1);
    EXPECT_EQ(told, "arrived:abarrived:dc");
  };
  run_task(all());
}

TEST(Race, WhatEitherThrowsIsThrown) {
  SystemClock clock;
  auto sleeper = [&](milliseconds time) -> Task<void> { co_await clock.sleep(time); };
  auto broken = [&](milliseconds time) -> Task<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await clock.sleep(time);
    throw std::runtime_error("a bug");
  };
  auto winner = [&]() -> Task<void> { (void)co_await race(broken(1ms), sleeper(1h)); };
  EXPECT_THROW(run_task(winner()), std::runtime_error);
  // Also where it shows only while it is cancelled.
  auto loser = [&]() -> Task<void> { (void)co_await race(sleeper(1ms), broken(20ms)); };
  EXPECT_THROW(run_task(loser()), std::runtime_error);
  auto together = [&]() -> Task<void> { co_await both(sleeper(1h), broken(1ms)); };
  EXPECT_THROW(run_task(together()), std::runtime_error);
}

TEST(Race, BothEndWithTheirCaller) {
  SystemClock clock;
  bool went_on = false;
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    auto racing = [&]() -> Task<void> {
      (void)co_await race(clock.sleep(1h), clock.sleep(1h));
      went_on = true;
    };
    auto waiting = [&]() -> Task<void> {
      co_await both(clock.sleep(1h), clock.sleep(1h));
      went_on = true;
    };
    auto half_done = [&]() -> Task<void> {
      co_await both(clock.sleep(0ms), clock.sleep(1h));
      went_on = true;
    };
    group.spawn("race", racing());
    group.spawn("both", waiting());
    group.spawn("half", half_done());
    co_await clock.sleep(20ms);
    group.cancel();
    co_await group.join();
  };
  run_task(all());
  EXPECT_FALSE(went_on);
}

TEST(Both, WaitsForTheSlowerOne) {
  SystemClock clock;
  int ended = 0;
  auto runner = [&](milliseconds time) -> Task<void> {
    co_await clock.sleep(time);
    ++ended;
  };
  auto all = [&]() -> Task<void> { co_await both(runner(1ms), runner(20ms)); };
  run_task(all());
  EXPECT_EQ(ended, 2);
}

TEST(Notice, WakesEverybodyWhoWaits) {
  Notice notice;
  int woken = 0;
  auto waiter = [&]() -> Task<void> {
    co_await notice.wait(1h);
    ++woken;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < 3; ++i) group.spawn("waiter", waiter());
    co_await yield();
    co_await yield();
    notice.notify();
    co_await group.join();
    co_await notice.wait(1ms);  // the timeout
  };
  run_task(all());
  EXPECT_EQ(woken, 3);
}

TEST(Offload, RunsElsewhereAndComesBack) {
  asio::thread_pool pool(1);
  auto all = [&]() -> Task<void> {
    const auto here = std::this_thread::get_id();
    auto where = [] { return std::this_thread::get_id(); };
    const auto there = co_await offload(pool, where);
    EXPECT_TRUE(there != here);
    EXPECT_TRUE(std::this_thread::get_id() == here);
  };
  run_task(all());
  pool.join();
}

TEST(Offload, MayBeCancelledWhileItRuns) {
  for (int round = 0; round < 300; ++round) {
    asio::io_context io(1);
    asio::thread_pool pool(1);
    int done = 0;
    auto work = [&]() -> Task<void> {
      for (;;) {
        auto job = [text = std::string(100, 'x')] { return text + text; };
        const std::string twice = co_await offload(pool, std::move(job));
        EXPECT_EQ(twice.size(), 200U);
        ++done;
      }
    };
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      for (int i = 0; i < 4; ++i) group.spawn("work", work());
      SystemClock clock;
      co_await clock.sleep(milliseconds(round % 3));
      group.cancel();
      co_await group.join();
      EXPECT_EQ(group.size(), 0U);
    };
    run_task(io, all());
    pool.join();
  }
}

}  // namespace
}  // namespace matrx
