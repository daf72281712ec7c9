// What ports/guest.hpp promises, held against the real agent (as a process of this host, no Docker)
// through the real adapter.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapters/guest/guest_client.hpp"
#include "async/task_group.hpp"
#include "base/random.hpp"
#include "contract/agent_process.hpp"
#include "fakes/patience.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

using namespace std::chrono_literals;

class GuestContract : public testing::Test {
 protected:
  GuestContract() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-guest-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    SystemRandom random;
    id_ = SandboxId::make(random);
    marker_ = std::to_string(::getpid()) + random.hex(4);
    std::filesystem::create_directories(run_folder());
    const std::string socket = run_folder() + "/agent.sock";
    agent_ = spawn_agent(socket);
    guest_ = std::make_unique<GuestClient>(clock_, folder_);
  }
  ~GuestContract() override {
    if (agent_ > 0) {
      ::kill(agent_, SIGKILL);
      ::waitpid(agent_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }
  void SetUp() override { ASSERT_TRUE(run_task(io_, guest_->wait_ready(id_, patience(10s)))); }

  std::string run_folder() const { return (folder_ / id_.text() / "run").string(); }

  Result<ExecOutcome> try_exec(ExecSpec spec) {
    spec.user = std::to_string(::geteuid());
    if (spec.output_bytes_max == 0) spec.output_bytes_max = 10'000;
    return run_task(io_, guest_->exec(id_, spec));
  }
  ExecOutcome exec(std::string command) {
    return try_exec({.command = std::move(command)}).value();
  }

  // Processes of this host with the marker in their command line.
  int survivors() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::FILE* file = std::fopen((entry.path() / "cmdline").c_str(), "r");
      if (file == nullptr) continue;
      std::string text(4096, '\0');
      text.resize(std::fread(text.data(), 1, text.size(), file));
      std::fclose(file);
      if (text.find(marker_) != std::string::npos) ++count;
    }
    return count;
  }

  asio::io_context io_{1};  // kept connections belong to it
  SystemClock clock_;
  std::filesystem::path folder_;
  SandboxId id_;
  std::string marker_;
  pid_t agent_ = -1;
  std::unique_ptr<GuestClient> guest_;
};

// Of the suite itself: what a test that aborts leaves behind.
TEST(GuestContractSuite, TheAgentEndsWithItsTest) {
  std::string folder = (std::filesystem::temp_directory_path() / "matrx-guest-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t test = ::fork();
  if (test == 0) {
    const std::string socket = folder + "/agent.sock";
    const pid_t agent = spawn_agent(socket);
    const bool begun = wait_for_agent(socket);
    if (begun) (void)!::write(ends[1], &agent, sizeof agent);
    ::_exit(1);
  }
  ::close(ends[1]);
  pid_t agent = -1;
  EXPECT_EQ(::read(ends[0], &agent, sizeof agent), static_cast<ssize_t>(sizeof agent));
  ::waitpid(test, nullptr, 0);
  ::close(ends[0]);
  const auto lives = [agent] {
    std::ifstream file("/proc/" + std::to_string(agent) + "/cmdline");
    return file.get() != std::ifstream::traits_type::eof();  // empty of one that nobody has reaped
  };
  for (int i = 0; i < patience(1000) && lives(); ++i) ::usleep(10'000);
  EXPECT_FALSE(lives());
  if (agent > 0 && lives()) ::kill(agent, SIGKILL);
  std::filesystem::remove_all(folder);
}

TEST_F(GuestContract, TellsHowItEnded) {
  const auto outcome = exec("echo out; echo err >&2; exit 3");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.stdout_text, "out\n");
  EXPECT_EQ(outcome.stderr_text, "err\n");
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(exec("kill -9 $$").exit_code, 137);
}

TEST_F(GuestContract, RemembersWhereItWas) {
  EXPECT_EQ(exec("cd /usr; cd bin; false").cwd, std::filesystem::canonical("/usr/bin"));
  EXPECT_EQ(exec("pwd").stdout_text, std::filesystem::canonical("/usr/bin").string() + "\n");
  EXPECT_EQ(try_exec({.command = "pwd", .cwd = "/"})->stdout_text, "/\n");
  EXPECT_EQ(exec("set -euC; cd /tmp").cwd, "/tmp");
  EXPECT_EQ(exec("cd /; exec true").cwd, "/tmp");  // no shell was left to say where it was
}

TEST_F(GuestContract, GivesInputAndEnvironment) {
  EXPECT_EQ(
      try_exec({.command = "cat; echo $A", .env = {{"A", "b"}}, .stdin_data = "in"})->stdout_text,
      "inb\n");
  const std::string large(500'000, 'x');
  EXPECT_EQ(try_exec({.command = "wc -c", .stdin_data = large})->stdout_text, "500000\n");
  EXPECT_EQ(try_exec({.command = "true", .stdin_data = large})->exit_code, 0);
}

TEST_F(GuestContract, SaysWhatIsWrong) {
  const auto folder = try_exec({.command = "true", .cwd = "/no/such"});
  EXPECT_EQ(folder.error().code, Code::invalid);
  EXPECT_NE(folder.error().message.find("/no/such"), std::string::npos);
  ExecSpec spec{.command = "true", .user = "nobody-of-that-name"};
  const auto user = run_task(io_, guest_->exec(id_, spec));
  EXPECT_EQ(user.error().code, Code::invalid);
  EXPECT_NE(user.error().message.find("nobody-of-that-name"), std::string::npos);
}

TEST_F(GuestContract, BoundsOutput) {
  const auto outcome = try_exec({.command = "head -c 300000 /dev/zero | tr '\\0' x; printf 'é' >&2",
                                 .output_bytes_max = 1000})
                           .value();
  EXPECT_EQ(outcome.stdout_text, std::string(1000, 'x'));
  EXPECT_TRUE(outcome.stdout_truncated);
  EXPECT_FALSE(outcome.stderr_truncated);
  EXPECT_EQ(exec("printf 'a\\377b'").stdout_text,
            "a\xEF\xBF\xBD"
            "b");
}

TEST_F(GuestContract, TheKernelTakesCommandsBeforeTheAgent) {
  std::ifstream ours("/proc/" + std::to_string(agent_) + "/oom_score_adj");
  int of_agent = 1000;
  ours >> of_agent;
  EXPECT_GT(std::stoi(exec("cat /proc/self/oom_score_adj").stdout_text), of_agent);
}

TEST_F(GuestContract, EscapedControlCharactersFitTheAnswer) {
  const auto outcome =
      try_exec({.command = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2",
                .output_bytes_max = 2 * 1024 * 1024});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->stdout_text.size(), 2U * 1024 * 1024);
}

TEST_F(GuestContract, DoesNotWaitForBackgroundProcesses) {
  // Its noise may come before the number: so that goes another way.
  const auto outcome = exec("(while :; do echo noise; sleep 0.01; done) & echo $! >&2");
  const std::string pid = outcome.stderr_text.substr(0, outcome.stderr_text.find('\n'));
  EXPECT_EQ(exec("sleep 0.2; kill -0 " + pid).exit_code, 0) << "it died of its closed pipe";
  EXPECT_EQ(exec("kill " + pid).exit_code, 0);
}

TEST_F(GuestContract, ATimeoutEndsEverything) {
  const std::string sleep = "bash -c 'trap \"\" TERM HUP INT; sleep 1000; : " + marker_ + "'";
  const auto outcome =
      try_exec({.command = "trap '' TERM HUP; setsid " + sleep + " & (setsid " + sleep +
                           " & ) ; (" + sleep + " & exec " + sleep + ") & echo begun; " + sleep,
                .timeout = patience(600ms)})
          .value();
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.exit_code, 124);
  EXPECT_EQ(outcome.stdout_text, "begun\n");
  EXPECT_EQ(survivors(), 0);
}

TEST_F(GuestContract, AStoppedSupervisorIsNoHideout) {
  const auto outcome = try_exec({.command = "sleep 0.1; kill -STOP $PPID; sleep 1000; : " + marker_,
                                 .timeout = patience(400ms)});
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->timed_out);
  for (int i = 0; i < patience(200) && survivors() > 0; ++i) run_task(io_, clock_.sleep(50ms));
  EXPECT_EQ(survivors(), 0);
}

TEST_F(GuestContract, ManyAtOnce) {
  int good = 0;
  auto one = [&]() -> Task<void> {
    const ExecSpec spec{.command = "sleep 0.3; echo hi",
                        .user = std::to_string(::geteuid()),
                        .output_bytes_max = 100};
    const auto outcome = co_await guest_->exec(id_, spec);
    if (outcome && outcome->stdout_text == "hi\n") ++good;
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < 50; ++i) group.spawn("one", one());
    co_await group.join();
  };
  run_task(io_, all());
  EXPECT_EQ(good, 50);
}

TEST_F(GuestContract, ShutdownIsPatientThenFirmThenTheAgentEnds) {
  // Each tells when its trap is set: before that it would die of the signal.
  const std::string folder = run_folder();
  exec("(trap 'echo bye > " + folder + "/bye; exit' TERM; : > " + folder +
       "/one; while :; do sleep 0.05; done) >/dev/null 2>&1 & until [ -e " + folder +
       "/one ]; do sleep 0.01; done");
  exec("(trap '' TERM; : > " + folder + "/two; while :; do sleep 0.05; : " + marker_ +
       "; done) >/dev/null 2>&1 & until [ -e " + folder + "/two ]; do sleep 0.01; done");
  ASSERT_TRUE(run_task(io_, guest_->shutdown(id_, patience(1s))));
  EXPECT_TRUE(std::filesystem::exists(run_folder() + "/bye"));
  EXPECT_EQ(survivors(), 0);
  int status = -1;
  EXPECT_EQ(::waitpid(std::exchange(agent_, -1), &status, 0) > 0 && WEXITSTATUS(status) == 0, true);
  EXPECT_EQ(try_exec({.command = "true"}).error().code, Code::unavailable);
}

TEST_F(GuestContract, ALivingAgentIsSeenAtOneLook) {
  EXPECT_TRUE(run_task(io_, guest_->wait_ready(id_, 0ms)));
}

TEST_F(GuestContract, ADeadAgentIsUnavailable) {
  ::kill(agent_, SIGKILL);
  ::waitpid(std::exchange(agent_, -1), nullptr, 0);
  EXPECT_EQ(try_exec({.command = "true"}).error().code, Code::unavailable);
  EXPECT_EQ(run_task(io_, guest_->wait_ready(id_, 0ms)).error().code, Code::timeout);
}

TEST_F(GuestContract, ALinkInPlaceOfTheSocketIsRefused) {
  const std::string socket = run_folder() + "/agent.sock";
  std::filesystem::rename(socket, folder_ / "elsewhere.sock");
  std::filesystem::create_symlink(folder_ / "elsewhere.sock", socket);
  guest_->forget(id_);
  EXPECT_EQ(try_exec({.command = "true"}).error().code, Code::unavailable);
}

}  // namespace
}  // namespace matrx
