// Real commands of this host, run by the agent's own parts in this process.

#include "agent/exec.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "agent/process_service.hpp"
#include "agent/processes.hpp"
#include "async/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "fakes/sim_context.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

using Kind = ProcessEvent::Kind;
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
    const Pairs own{{"PATH", "/usr/bin:/bin"}, {"OWN", "mine"}};
    exec_ = std::make_unique<Exec>(context_.get_executor(), *trees_, *users_, own);
    processes_ = std::make_unique<Processes>(context_.get_executor(), *trees_, *users_, own);
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
        co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
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
  // Looks until nobody is left, or for ten seconds.
  int lasting_survivors() {
    SystemClock clock;
    for (int i = 0; i < 500 && survivors() > 0; ++i) run(clock.sleep(milliseconds(20)));
    return survivors();
  }

  // Everything that a process says, up to its end.
  struct Story {
    std::string out, err;
    std::optional<int> wait_status;
  };
  static Task<Story> read(ProcessReader& reader) {
    Story story;
    for (;;) {
      const auto event = co_await reader.next(milliseconds(20'000));
      if (!event) co_return story;
      if (event->kind == Kind::standard_output) story.out += event->bytes;
      if (event->kind == Kind::standard_error) story.err += event->bytes;
      if (event->kind == Kind::end) {
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
  static ProcessSpec shell(std::string command) {
    return {.program = "sh", .arguments = {"-c", std::move(command)}};
  }

  SimContext context_;
  std::filesystem::path home_;
  std::string marker_;
  std::unique_ptr<Users> users_;
  std::unique_ptr<Trees> trees_;
  std::unique_ptr<Exec> exec_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<ProcessService> service_;
};

using ExecTest = CommandTest;
using ProcessTest = CommandTest;

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
                                 .timeout = milliseconds(400)});
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->timed_out);
  EXPECT_EQ(outcome->exit_code, 124);
  EXPECT_EQ(outcome->stdout_text, "begun\n");
  EXPECT_EQ(survivors(), 0);
}

TEST_F(ExecTest, ABackgroundChildDoesNotHoldUpTheAnswer) {
  const auto outcome = exec("sh -c 'sleep 1000; : " + marker_ + "' & echo done");
  EXPECT_EQ(outcome.stdout_text, "done\n");
  EXPECT_FALSE(outcome.timed_out);
  // It may not have come to its own program yet, by which we know it.
  SystemClock clock;
  for (int i = 0; i < 500 && survivors() == 0; ++i) run(clock.sleep(milliseconds(20)));
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

// --- Streamed processes ------------------------------------------------------------------------

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
    reader->process().close_input();
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
    reader->process().close_input();
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
    reader->process().close_input();
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
    ProcessReader second(processes_->find(first->process().pid(), "").value());
    EXPECT_TRUE(co_await first->process().write_input("hello\n"));
    EXPECT_EQ((co_await read(*first)).out, "hello\n");
    EXPECT_EQ((co_await read(second)).out, "hello\n");
    ProcessReader third(processes_->find(first->process().pid(), "").value());
    EXPECT_EQ((co_await read(third)).wait_status, 0);
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
    ProcessReader again(process);
    processes_->kill(*process);
    EXPECT_EQ((co_await read(again)).wait_status, SIGKILL);
  };
  run(test());
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ProcessTest, ATimeoutKillsTheWholeTree) {
  auto test = [&]() -> Task<void> {
    ProcessSpec spec =
        shell("trap '' TERM; setsid sh -c 'sleep 1000; : " + marker_ + "' & sleep 1000");
    spec.timeout = milliseconds(300);
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

// --- The Connect service over them -------------------------------------------------------------

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

class ProcessServiceTest : public CommandTest {
 protected:
  // The messages of a stream; the closing one is last.
  Strings stream(std::string_view method, std::string message, http::Headers headers = {}) {
    KeptText kept;
    auto test = [&]() -> Task<void> {
      TextBody body(encode_envelope(0, message));
      http::Request request{.method = http::Method::post, .headers = std::move(headers)};
      request.body_reader = &body;
      auto response = co_await service_->handle(method, request);
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.headers.get("Content-Type"), "application/connect+json");
      kept.text = response.body;
      if (response.stream) co_await response.stream(kept);
    };
    run(test());
    Strings messages;
    EnvelopeDecoder decoder(1'000'000);
    decoder.append(kept.text);
    bool closed = false;
    while (auto next = decoder.next().value()) {
      EXPECT_FALSE(closed) << "something after the end";
      closed = (next->flags & ConnectEnvelope::kEndOfStream) != 0;
      messages.push_back(std::move(next->text));
    }
    EXPECT_TRUE(closed);
    return messages;
  }
  http::Response unary(std::string_view method, std::string message) {
    std::optional<http::Response> response;
    auto test = [&]() -> Task<void> {
      TextBody body(message);
      http::Request request{.method = http::Method::post};
      request.body_reader = &body;
      response.emplace(co_await service_->handle(method, request));
    };
    run(test());
    return *std::move(response);
  }
};

TEST_F(ProcessServiceTest, TellsStartDataAndEnd) {
  const auto messages =
      stream("Start", R"({"process":{"cmd":"sh","args":["-c","printf hi; exit 2"]}})");
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_TRUE(messages[0].starts_with(R"({"event":{"start":{"pid":)"));
  EXPECT_EQ(messages[1], R"({"event":{"data":{"stdout":"aGk="}}})");
  EXPECT_EQ(messages[2], R"({"event":{"end":{"exitCode":2,"exited":true,"status":"exit status 2",)"
                         R"("error":"exit status 2"}}})");
  EXPECT_EQ(messages[3], "{}");
}

TEST_F(ProcessServiceTest, ASignalIsNoExitCode) {
  const auto messages = stream("Start", R"({"process":{"cmd":"sh","args":["-c","kill -9 $$"]}})");
  EXPECT_EQ(messages.at(1),
            R"({"event":{"end":{"exitCode":-1,"exited":false,"status":"signal: killed",)"
            R"("error":"signal: killed"}}})");
}

TEST_F(ProcessServiceTest, RefusesWithAClosingMessage) {
  const auto code = [&](std::string message, http::Headers headers = {}) {
    const auto messages = stream("Start", std::move(message), std::move(headers));
    EXPECT_EQ(messages.size(), 1U);
    const auto end = json::parse(messages.at(0)).value();
    return json::to_string(end.at("error").at("code").as_string());
  };
  EXPECT_EQ(code("{}"), "invalid_argument");
  EXPECT_EQ(code("[]"), "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":""}})"), "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"x","args":[1]}})"), "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"x\u0000y"}})"), "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"x"},"pty":{}})"), "unimplemented");
  http::Headers stranger;
  stranger.add("Authorization", "Basic " + base64_encode("nobody-here:"));
  EXPECT_EQ(code(R"({"process":{"cmd":"true"}})", stranger), "unauthenticated");
}

TEST_F(ProcessServiceTest, ADeadlineEndsStreamAndProcess) {
  http::Headers headers;
  headers.add("Connect-Timeout-Ms", "300");
  const auto messages = stream(
      "Start", R"({"process":{"cmd":"sh","args":["-c","sleep 1000; : )" + marker_ + R"("]}})",
      headers);
  EXPECT_TRUE(messages.back() == "{}" ||
              messages.back().find("deadline_exceeded") != std::string::npos);
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ProcessServiceTest, UnaryCallsAnswerTheirStatus) {
  EXPECT_EQ(unary("List", "{}").body, R"({"processes":[]})");
  EXPECT_EQ(unary("List", "x").status, 400);
  EXPECT_EQ(unary("Dance", "{}").status, 501);
  for (const char* method : {"SendInput", "CloseStdin", "SendSignal"}) {
    EXPECT_EQ(unary(method, "{}").status, 400) << method;
    EXPECT_EQ(unary(method, R"({"process":{"pid":999999999}})").status, 404) << method;
    EXPECT_EQ(unary(method, R"({"process":{"pid":99999999999}})").status, 404) << method;
    EXPECT_EQ(unary(method, R"({"process":{"tag":"none"}})").status, 404) << method;
  }
}

TEST_F(ProcessServiceTest, InputAndSignalsReachTheProcess) {
  std::unique_ptr<ProcessReader> reader;
  auto begin = [&]() -> Task<void> {
    ProcessSpec spec =
        shell("trap 'echo term; exit 0' TERM; read a; echo $a; while :; do sleep 0.05; done");
    spec.tag = "t";
    reader = co_await start(std::move(spec));
  };
  run(begin());
  EXPECT_NE(unary("List", "{}").body.find(R"("tag":"t")"), std::string::npos);
  const std::string selector = R"("process":{"tag":"t"})";
  EXPECT_EQ(unary("SendInput", "{" + selector + R"(,"input":{"stdin":"!"}})").status, 400);
  EXPECT_EQ(unary("SendInput", "{" + selector + R"(,"input":{"stdin":"aGkK"}})").status, 200);
  EXPECT_EQ(unary("SendSignal", "{" + selector + R"(,"signal":"SIGNAL_SIGHUP"})").status, 400);
  Story story;
  auto end = [&]() -> Task<void> {
    auto first = co_await reader->next(milliseconds(20'000));
    story.out = first ? first->bytes : "";
    reader->process().tree().signal_group(SIGTERM);
    const Story rest = co_await read(*reader);
    story.out += rest.out;
    story.wait_status = rest.wait_status;
    reader.reset();
  };
  run(end());
  EXPECT_EQ(story.out, "hi\nterm\n");
  EXPECT_EQ(story.wait_status, 0);
  EXPECT_EQ(unary("SendSignal", "{" + selector + R"(,"signal":"SIGNAL_SIGKILL"})").status, 404);
}

}  // namespace
}  // namespace matrx::agent
