#pragma once
// Tests that run real commands of this host with the agent's own parts, in this process.

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "agent/exec.hpp"
#include "agent/process_service.hpp"
#include "agent/processes.hpp"
#include "async/as_tuple.hpp"
#include "async/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "fakes/patience.hpp"
#include "fakes/sim_context.hpp"
#include "http/message.hpp"

namespace matrx::agent {
using Strings = std::vector<std::string>;

class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    std::string name = (std::filesystem::temp_directory_path() / "matrx-agent-XXXXXX").string();
    home_ = std::filesystem::canonical(::mkdtemp(name.data()));
    std::ofstream(home_ / "passwd") << "agent:x:" << ::geteuid() << ":" << ::getegid()
                                    << "::" << home_.string() << ":/bin/sh\n";
    SystemRandom random;
    marker_ = "marker-" + random.hex(8);
    users_ = std::make_unique<Users>(home_.string());
    trees_ = std::make_unique<Trees>(context_.get_executor());
    settings_.environment = {{"PATH", "/usr/bin:/bin"}, {"OWN", "mine"}};
    shell_ = std::make_unique<Shell>(settings_);
    exec_ = std::make_unique<Exec>(context_.get_executor(), *trees_, *users_, settings_, *shell_,
                                   home_.string());
    processes_ =
        std::make_unique<Processes>(context_.get_executor(), *trees_, *users_, settings_, *shell_);
    service_ = std::make_unique<ProcessService>(*processes_);
  }
  ~CommandTest() override {
    run(trees_->end_all(milliseconds(0)));
    context_.kill();
    std::filesystem::remove_all(home_);
  }

  // Runs the task while children are reaped; what it leaves running goes on with the next one.
  void run(Task<void> task) {
    TaskGroup group(context_.get_executor());
    auto reaper = [this]() -> Task<void> {
      asio::signal_set signals(context_.get_executor(), SIGCHLD);
      for (;;) {
        co_await signals.async_wait(kAsTuple);
        trees_->reap();
      }
    };
    auto all = [&]() -> Task<void> {
      TaskGroup reapers(context_.get_executor());
      reapers.spawn("reaper", reaper());
      co_await std::move(task);
      trees_->reap();
      reapers.cancel();
      co_await reapers.join();
      context_.stop();
    };
    group.spawn("test", all());
    context_.restart();
    context_.run();
  }

  Result<ExecOutcome> try_exec(ExecSpec spec) {
    if (spec.output_bytes_max == 0) spec.output_bytes_max = 10'000;
    std::optional<Result<ExecOutcome>> outcome;
    auto task = [&]() -> Task<void> { outcome.emplace(co_await exec_->run(spec)); };
    run(task());
    return *outcome;
  }
  ExecOutcome exec(std::string command) {
    auto outcome = try_exec({.command = std::move(command)});
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome.value_or(ExecOutcome{});
  }

  int survivors() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      std::string text((std::istreambuf_iterator<char>(file)), {});
      if (text.find(marker_) != std::string::npos) ++count;
    }
    return count;
  }
  // Looks until nobody is left, or for ten seconds of a quiet machine.
  int lasting_survivors() {
    SystemClock clock;
    for (int i = 0; i < patience(500) && survivors() > 0; ++i) run(clock.sleep(milliseconds(20)));
    return survivors();
  }

  // Everything that a process says, up to its end.
  struct Story {
    std::string out, err;  // of a terminal: out
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;
    std::optional<int> wait_status;
  };
  static Task<Story> read(ProcessReader& reader) {
    Story story;
    for (;;) {
      const auto event = co_await reader.next(milliseconds(20'000));
      if (!event) co_return story;
      (event->output == OutputKind::standard_error ? story.err : story.out) += event->bytes;
      if (event->kind == ProcessEvent::Kind::gap) {
        story.gaps.emplace_back(event->lost_from, event->offset);
      }
      if (event->kind == ProcessEvent::Kind::end) {
        story.wait_status = event->wait_status;
        co_return story;
      }
    }
  }
  Task<std::unique_ptr<ProcessReader>> start(ProcessSpec spec) {
    auto reader = co_await processes_->start(std::move(spec));
    EXPECT_TRUE(reader) << reader.error().message;
    co_return std::move(reader).value_or(nullptr);
  }
  static std::unique_ptr<ProcessReader> watch(const std::shared_ptr<Process>& process,
                                              std::optional<std::uint64_t> since = {},
                                              bool may_skip = false) {
    auto reader = ProcessReader::make(process, since, may_skip);
    EXPECT_TRUE(reader) << reader.error().message;
    return std::move(reader).value_or(nullptr);
  }
  static ProcessSpec shell(std::string command) {
    return {.program = "sh", .arguments = {"-c", std::move(command)}};
  }

  SimContext context_;
  std::filesystem::path home_;
  std::string marker_;
  SandboxSettings settings_;
  std::unique_ptr<Users> users_;
  std::unique_ptr<Trees> trees_;
  std::unique_ptr<Shell> shell_;
  std::unique_ptr<Exec> exec_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<ProcessService> service_;
};

// A request's body, and what a stream writes.
class TextBody : public http::BodyReader {
 public:
  explicit TextBody(std::string text) : rest_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(rest_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return rest_.size(); }

 private:
  std::string rest_;
};

class KeptText : public http::BodyWriter {
 public:
  Task<Result<void>> write(std::string_view piece) override {
    text += piece;
    co_return Result<void>();
  }
  bool is_over() override { return false; }
  std::string text;
};

}  // namespace matrx::agent
