// Streamed processes: real commands of this host.

#include "agent/command_test.hpp"
#include "fakes/patience.hpp"

namespace matrx::agent {
namespace {

using ProcessTest = CommandTest;

TEST_F(ProcessTest, StreamsDataThenTheEnd) {
  auto test = [&]() -> Task<void> {
    auto reader = co_await start(shell("echo out; echo err >&2; exit 3"));
    const Story story = co_await read(*reader);
    EXPECT_EQ(story.out, "out\n");
    EXPECT_EQ(story.err, "err\n");
    EXPECT_EQ(story.wait_status, 3 << 8);
    EXPECT_TRUE(reader->process().ended());
  };
  run(test());
}

TEST_F(ProcessTest, TakesInputUntilItIsClosed) {
  auto test = [&]() -> Task<void> {
    auto reader = co_await start({.program = "cat"});
    EXPECT_TRUE(co_await reader->process().write_input("one "));
    EXPECT_TRUE(co_await reader->process().write_input("two"));
    EXPECT_TRUE(reader->process().close_input());
    const auto late = co_await reader->process().write_input("late");
    EXPECT_EQ(late.error().code, Code::conflict);
    EXPECT_EQ((co_await read(*reader)).out, "one two");
  };
  run(test());
}

TEST_F(ProcessTest, ClosingTheInputEndsAWriteThatWaits) {
  auto test = [&]() -> Task<void> {
    auto reader = co_await start({.program = "sleep", .arguments = {"60"}});
    TaskGroup group(co_await asio::this_coro::executor);
    std::optional<Code> code;
    auto write = [&]() -> Task<void> {
      const auto written = co_await reader->process().write_input(std::string(1'000'000, 'x'));
      if (!written) code = written.error().code;
    };
    group.spawn("write", write());
    SystemClock clock;
    co_await clock.sleep(milliseconds(50));  // by now the pipe is full
    EXPECT_FALSE(code.has_value());
    EXPECT_TRUE(reader->process().close_input());
    co_await group.join();
    EXPECT_EQ(code, Code::conflict);
    processes_->kill(reader->process());
    (void)co_await read(*reader);
  };
  run(test());
}

TEST_F(ProcessTest, ClosingTheInputEndsAWriteWhereverItIs) {
  auto close_after = [&](int turns) -> Task<void> {
    auto reader = co_await start({.program = "sleep", .arguments = {"60"}});
    TaskGroup group(co_await asio::this_coro::executor);
    std::vector<std::optional<Code>> codes(2);  // the second waits for the first
    auto write = [&](std::size_t at) -> Task<void> {
      const auto written = co_await reader->process().write_input(std::string(1'000'000, 'x'));
      codes[at] = written ? Code::internal : written.error().code;
    };
    group.spawn("first", write(0));
    group.spawn("second", write(1));
    for (int i = 0; i < turns; ++i) co_await asio::post(asio::use_awaitable);
    EXPECT_TRUE(reader->process().close_input());
    co_await group.join();
    EXPECT_EQ(codes[0], Code::conflict) << turns;
    EXPECT_EQ(codes[1], Code::conflict) << turns;
    processes_->kill(reader->process());
    (void)co_await read(*reader);
  };
  for (int turns = 0; turns < 10; ++turns) run(close_after(turns));
}

TEST_F(ProcessTest, LargeOutputArrivesWhole) {
  auto test = [&]() -> Task<void> {
    auto reader = co_await start(shell("head -c 3000000 /dev/zero"));
    EXPECT_EQ((co_await read(*reader)).out.size(), 3'000'000U);
  };
  run(test());
}

TEST_F(ProcessTest, EveryReaderHearsTheEndAlsoALateOne) {
  auto test = [&]() -> Task<void> {
    auto first = co_await start(shell("read line; echo $line"));
    const auto process = processes_->find(first->process().pid(), "").value();
    auto second = watch(process);
    EXPECT_TRUE(co_await first->process().write_input("hello\n"));
    EXPECT_EQ((co_await read(*first)).out, "hello\n");
    EXPECT_EQ((co_await read(*second)).out, "hello\n");
    auto third = watch(process);
    const Story late = co_await read(*third);
    EXPECT_EQ(late.out, "");  // it asked for what is new
    EXPECT_EQ(late.wait_status, 0);
  };
  run(test());
}

TEST_F(ProcessTest, FindsByTagAndNotByNothing) {
  auto test = [&]() -> Task<void> {
    ProcessSpec spec = shell("read line");
    spec.tag = "mine";
    auto reader = co_await start(std::move(spec));
    EXPECT_EQ(processes_->find(0, "mine").value()->pid(), reader->process().pid());
    EXPECT_EQ(processes_->find(0, "other").error().code, Code::not_found);
    EXPECT_EQ(processes_->find(0, "").error().code, Code::not_found);
  };
  run(test());
}

TEST_F(ProcessTest, LivesOnWithoutReadersUntilItIsKilled) {
  auto test = [&]() -> Task<void> {
    auto reader = co_await start(shell("while :; do echo noise; done; : " + marker_));
    const auto process = processes_->find(reader->process().pid(), "").value();
    reader.reset();
    EXPECT_FALSE(process->ended());
    auto again = watch(process);
    processes_->kill(*process);
    EXPECT_EQ((co_await read(*again)).wait_status, SIGKILL);
  };
  run(test());
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ProcessTest, ATimeoutKillsTheWholeTree) {
  auto test = [&]() -> Task<void> {
    ProcessSpec spec =
        shell("trap '' TERM; setsid sh -c 'sleep 1000; : " + marker_ + "' & sleep 1000");
    spec.timeout = patience(milliseconds(500));
    auto reader = co_await start(std::move(spec));
    EXPECT_EQ((co_await read(*reader)).wait_status, SIGKILL);
  };
  run(test());
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ProcessTest, SaysWhyItDoesNotStart) {
  auto test = [&]() -> Task<void> {
    const auto user = co_await processes_->start({.program = "true", .user = "nobody-here"});
    EXPECT_EQ(user.error().code, Code::unauthenticated);
    const auto folder = co_await processes_->start({.program = "true", .cwd = "/no/such"});
    EXPECT_EQ(folder.error().code, Code::invalid);
    const auto program = co_await processes_->start({.program = "no-such-program"});
    EXPECT_EQ(program.error().code, Code::invalid);
    EXPECT_NE(program.error().message.find("no-such-program"), std::string::npos);
  };
  run(test());
  EXPECT_TRUE(processes_->all().empty());
}

// --- Coming back -------------------------------------------------------------------------------

TEST_F(ProcessTest, AReaderComesBackAndMissesNothing) {
  auto test = [&]() -> Task<void> {
    auto first = co_await start(shell("seq 1 100; read line; seq 101 200000; echo done >&2"));
    const auto process = processes_->find(first->process().pid(), "").value();
    std::string got;
    while (got.find("100\n") == std::string::npos) {
      got += (co_await first->next(milliseconds(20'000)))->bytes;
    }
    const std::uint64_t offset = first->offset();
    EXPECT_EQ(offset, got.size());
    first.reset();
    EXPECT_TRUE(co_await process->write_input("\n"));
    // Nobody reads; all of it fits.
    while (!process->ended()) co_await SystemClock().sleep(milliseconds(5));
    auto second = watch(process, offset);
    const Story rest = co_await read(*second);
    std::string expected;
    for (int i = 1; i <= 200'000; ++i) expected += std::to_string(i) + "\n";
    EXPECT_EQ(got + rest.out, expected);
    EXPECT_EQ(rest.err, "done\n");
    EXPECT_TRUE(rest.gaps.empty());
    auto whole = watch(process, 0);
    EXPECT_EQ((co_await read(*whole)).out, expected);
    EXPECT_EQ(ProcessReader::make(process, expected.size() + 100, false).error().code,
              Code::invalid);
  };
  run(test());
}

TEST_F(ProcessTest, WhatWasOverwrittenIsAnnounced) {
  auto test = [&]() -> Task<void> {
    auto first = co_await start(shell("read line; seq 1 2000000"));
    const auto process = processes_->find(first->process().pid(), "").value();
    first.reset();
    EXPECT_TRUE(co_await process->write_input("\n"));
    while (!process->ended()) co_await SystemClock().sleep(milliseconds(5));
    std::string expected;
    for (int i = 1; i <= 2'000'000; ++i) expected += std::to_string(i) + "\n";
    auto second = watch(process, 10);
    const Story rest = co_await read(*second);
    EXPECT_EQ(rest.gaps.size(), 1U);
    EXPECT_EQ(rest.gaps.at(0).first, 10U);
    EXPECT_EQ(rest.gaps.at(0).second, expected.size() - rest.out.size());
    EXPECT_EQ(rest.out, expected.substr(rest.gaps.at(0).second));
    EXPECT_GT(rest.out.size(), kRingBytesMax / 2);
    EXPECT_LE(process->output().cost(), kRingBytesMax);
  };
  run(test());
}

TEST_F(ProcessTest, ASlowReaderHoldsItUpUnlessItMaySkip) {
  auto test = [&]() -> Task<void> {
    auto patient = co_await start(shell("seq 1 2000000; echo end >&2"));
    const auto process = processes_->find(patient->process().pid(), "").value();
    auto skipping = watch(process, 0, true);
    const auto written = [&] { return process->output().end(); };
    while (written() < kRingBytesMax - 2 * kChunkBytesMax) {
      co_await SystemClock().sleep(milliseconds(5));
    }
    co_await SystemClock().sleep(milliseconds(50));
    EXPECT_LE(written(), kRingBytesMax);
    EXPECT_FALSE(process->ended());
    const Story all = co_await read(*patient);
    EXPECT_TRUE(all.gaps.empty());
    EXPECT_EQ(all.out.size(), 14'888'896U);
    EXPECT_EQ(all.err, "end\n");
    const Story some = co_await read(*skipping);
    EXPECT_EQ(some.gaps.size(), 1U);
    EXPECT_EQ(some.gaps.at(0).second + some.out.size() + 4, 14'888'896U + 4);
  };
  run(test());
}

TEST_F(ProcessTest, StreamsOnOneProcessAreCounted) {
  auto test = [&]() -> Task<void> {
    auto first = co_await start({.program = "cat"});
    const auto process = processes_->find(first->process().pid(), "").value();
    std::vector<std::unique_ptr<ProcessReader>> more;
    for (std::size_t i = 1; i < kReadersMax; ++i) more.push_back(watch(process));
    EXPECT_EQ(ProcessReader::make(process, {}, false).error().code, Code::exhausted);
    more.pop_back();
    EXPECT_TRUE(ProcessReader::make(process, {}, false));
  };
  run(test());
}

TEST_F(ProcessTest, OfTheEndedOnlySomeAreKept) {
  auto test = [&]() -> Task<void> {
    pid_t first = 0;
    for (std::size_t i = 0; i <= kEndedMax; ++i) {
      auto reader = co_await start(shell("echo " + std::to_string(i)));
      if (i == 0) first = reader->process().pid();
      (void)co_await read(*reader);
    }
    EXPECT_EQ(processes_->all().size(), kEndedMax);
    EXPECT_EQ(processes_->find(first, "").error().code, Code::not_found);
  };
  run(test());
}

// --- Terminals ---------------------------------------------------------------------------------

TEST_F(ProcessTest, ATerminalHasASizeAndASession) {
  auto test = [&]() -> Task<void> {
    ProcessSpec spec = shell(
        "tty; stty size; echo $TERM; ps -o tpgid= -p $$ | tr -d ' ' | grep -qx $$ && echo leads; "
        "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done");
    spec.terminal = TerminalSize{.columns = 100, .rows = 30};
    auto reader = co_await start(std::move(spec));
    std::string got;
    while (got.find("ready") == std::string::npos) {
      const auto event = co_await reader->next(milliseconds(20'000));
      if (!event || event->kind != ProcessEvent::Kind::data) break;
      EXPECT_EQ(event->output, OutputKind::terminal);
      got += event->bytes;
    }
    EXPECT_TRUE(got.starts_with("/dev/pts/")) << got;
    EXPECT_NE(got.find("30 100\r\nxterm-256color\r\nleads\r\n"), std::string::npos) << got;
    EXPECT_EQ(reader->process().resize({.columns = 0, .rows = 0}).error().code, Code::invalid);
    EXPECT_EQ(reader->process().resize({.columns = 100'000, .rows = 24}).error().code,
              Code::invalid);
    EXPECT_TRUE(reader->process().resize({.columns = 120, .rows = 40}));
    const Story rest = co_await read(*reader);
    EXPECT_NE(rest.out.find("40 120"), std::string::npos) << rest.out;
    EXPECT_EQ(rest.wait_status, 5 << 8);
    EXPECT_FALSE(reader->process().resize({.columns = 80, .rows = 24}));
  };
  run(test());
}

TEST_F(ProcessTest, ControlCInterruptsWhatIsInTheForeground) {
  auto test = [&]() -> Task<void> {
    ProcessSpec spec =
        shell("trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done");
    spec.terminal = TerminalSize{.columns = 80, .rows = 24};
    auto reader = co_await start(std::move(spec));
    std::string got;
    while (got.find("ready") == std::string::npos) {
      got += (co_await reader->next(milliseconds(20'000)))->bytes;
    }
    EXPECT_EQ(reader->process().close_input().error().code, Code::conflict);
    EXPECT_TRUE(co_await reader->process().write_input("\x03"));
    const Story rest = co_await read(*reader);
    EXPECT_NE(rest.out.find("caught"), std::string::npos);
    EXPECT_EQ(rest.wait_status, 9 << 8);
  };
  run(test());
}

TEST_F(ProcessTest, TerminalsAreCounted) {
  auto test = [&]() -> Task<void> {
    std::vector<std::unique_ptr<ProcessReader>> open;
    const ProcessSpec spec{.program = "cat", .terminal = TerminalSize{.columns = 80, .rows = 24}};
    for (std::size_t i = 0; i < kTerminalsMax; ++i) open.push_back(co_await start(spec));
    EXPECT_EQ((co_await processes_->start(spec)).error().code, Code::exhausted);
    EXPECT_TRUE(co_await processes_->start({.program = "true"}));  // that needs none
    processes_->kill(open.back()->process());
    (void)co_await read(*open.back());
    EXPECT_TRUE(co_await processes_->start(spec));
  };
  run(test());
}

}  // namespace
}  // namespace matrx::agent
