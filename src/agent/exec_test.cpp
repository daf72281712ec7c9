// The buffered exec: real commands of this host, run by the agent's own parts in this process.

#include "agent/command_test.hpp"
#include "fakes/patience.hpp"

namespace matrx::agent {
namespace {

using ExecTest = CommandTest;

TEST_F(ExecTest, TellsOutputAndExitCode) {
  const auto outcome = exec("echo out; echo err >&2; exit 7");
  EXPECT_EQ(outcome.stdout_text, "out\n");
  EXPECT_EQ(outcome.stderr_text, "err\n");
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(exec("kill -9 $$").exit_code, 137);
}

TEST_F(ExecTest, BeginsAtHomeAndKeepsItsFolder) {
  EXPECT_EQ(exec("pwd").stdout_text, home_.string() + "\n");
  EXPECT_EQ(exec("mkdir sub; cd sub").cwd, (home_ / "sub").string());
  EXPECT_EQ(exec("pwd").stdout_text, (home_ / "sub").string() + "\n");
  EXPECT_EQ(exec("cd ..; rmdir sub; false").cwd, home_.string());
}

TEST_F(ExecTest, AFolderThatIsGoneMeanwhileLeadsHome) {
  exec("mkdir sub; cd sub");
  std::filesystem::remove(home_ / "sub");
  EXPECT_EQ(exec("pwd").stdout_text, home_.string() + "\n");
}

TEST_F(ExecTest, GivesEnvironmentAndInput) {
  const auto outcome = try_exec({.command = "echo $OWN $A $USER $HOME; cat",
                                 .env = {{"A", "b c"}},
                                 .stdin_data = std::string("in\0put", 6)});
  EXPECT_EQ(outcome->stdout_text,
            "mine b c agent " + home_.string() + "\n" + std::string("in\0put", 6));
  EXPECT_EQ(exec("cat").stdout_text, "");  // without input: its end at once
}

TEST_F(ExecTest, SaysWhoOrWhatIsUnknown) {
  const auto user = try_exec({.command = "true", .user = "nobody-here"});
  EXPECT_EQ(user.error().code, Code::invalid);
  EXPECT_NE(user.error().message.find("nobody-here"), std::string::npos);
  const auto folder = try_exec({.command = "true", .cwd = "/no/such"});
  EXPECT_EQ(folder.error().code, Code::invalid);
  EXPECT_NE(folder.error().message.find("/no/such"), std::string::npos);
  EXPECT_EQ(trees_->size(), 0U);
}

TEST_F(ExecTest, CutsOutputAtACharacter) {
  const auto outcome = try_exec({.command = "printf 'aé%.0s' 1 2 3 4", .output_bytes_max = 8});
  EXPECT_EQ(outcome->stdout_text, "aéaéa");
  EXPECT_TRUE(outcome->stdout_truncated);
  const auto whole = try_exec({.command = "printf 'aé%.0s' 1 2 3 4", .output_bytes_max = 9});
  EXPECT_EQ(whole->stdout_text, "aéaéaé");  // cut behind a character: it stays
  EXPECT_FALSE(outcome->stderr_truncated);
  const auto longest = try_exec({.command = "printf 'a😀%.0s' 1 2 3", .output_bytes_max = 10});
  EXPECT_EQ(longest->stdout_text, "a😀a😀");
  const auto third = try_exec({.command = "printf 'a😀%.0s' 1 2 3", .output_bytes_max = 9});
  EXPECT_EQ(third->stdout_text, "a😀a");
  // Bytes that begin no character are not the beginning of one.
  const auto none = try_exec({.command = "printf '\\377\\377\\377\\377'", .output_bytes_max = 3});
  EXPECT_EQ(none->stdout_text, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(ExecTest, ATimeoutLeavesNoSurvivor) {
  const std::string deaf =
      "sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done; : " + marker_ + "'";
  const auto outcome = try_exec({.command = "trap '' TERM; setsid " + deaf + " & (setsid " + deaf +
                                            " &) ; (" + deaf + " &) ; echo begun; " + deaf,
                                 .timeout = patience(milliseconds(600))});
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->timed_out);
  EXPECT_EQ(outcome->exit_code, 124);
  EXPECT_EQ(outcome->stdout_text, "begun\n");
  EXPECT_EQ(survivors(), 0);
}

// A command's own exit code may be 0 where a part of it was killed.
TEST_F(ExecTest, SaysWhereTheKernelKilledSomethingForWantOfMemory) {
  const std::string group = home_.string() + "/sys/fs/cgroup";
  std::filesystem::create_directories(group);
  std::ofstream(group + "/memory.events") << "oom 1\noom_kill 1\n";
  EXPECT_FALSE(exec("true").out_of_memory) << "that was before";
  const auto outcome = exec("echo 'oom_kill 2' >" + group + "/memory.events");
  EXPECT_TRUE(outcome.out_of_memory);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_FALSE(exec("true").out_of_memory);
}

TEST_F(ExecTest, ABackgroundChildDoesNotHoldUpTheAnswer) {
  const auto outcome = exec("sh -c 'sleep 1000; : " + marker_ + "' & echo done");
  EXPECT_EQ(outcome.stdout_text, "done\n");
  EXPECT_FALSE(outcome.timed_out);
  // It may not have come to its own program yet, by which we know it.
  SystemClock clock;
  for (int i = 0; i < patience(500) && survivors() == 0; ++i) run(clock.sleep(milliseconds(20)));
  EXPECT_GT(survivors(), 0);
  run(trees_->end_all(milliseconds(0)));
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ExecTest, AKilledSupervisorLeavesNoOrphans) {
  // Whether it answers depends on who is faster; that nobody is left does not.
  (void)try_exec(
      {.command = "(trap '' TERM; while :; do sleep 1; : " + marker_ + "; done) & kill -9 $PPID"});
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ExecTest, FiftyAtOnce) {
  int good = 0;
  auto one = [&](int number) -> Task<void> {
    ExecSpec spec{.command = "echo " + std::to_string(number), .output_bytes_max = 100};
    const auto outcome = co_await exec_->run(std::move(spec));
    if (outcome && outcome->stdout_text == std::to_string(number) + "\n") ++good;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(context_.get_executor());
    for (int i = 0; i < 50; ++i) group.spawn("one", one(i));
    co_await group.join();
  };
  run(all());
  EXPECT_EQ(good, 50);
}

}  // namespace
}  // namespace matrx::agent
