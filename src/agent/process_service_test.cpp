// process.Process over Connect, with real commands of this host.

#include "agent/command_test.hpp"
#include "base/text.hpp"
#include "fakes/patience.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

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
  EXPECT_EQ(code(R"({"process":{"cmd":"x"},"pty":{}})"), "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"x"},"pty":{"size":{"cols":0,"rows":0}}})"),
            "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"x"},"pty":{"size":{"cols":100000,"rows":24}}})"),
            "invalid_argument");
  EXPECT_EQ(code(R"({"process":{"cmd":"true","cwd":"/no/such"}})"), "invalid_argument");
  http::Headers stranger;
  stranger.add("Authorization", "Basic " + base64_encode("nobody-here:"));
  EXPECT_EQ(code(R"({"process":{"cmd":"true"}})", stranger), "unauthenticated");
}

TEST_F(ProcessServiceTest, ADeadlineEndsStreamAndProcess) {
  http::Headers headers;
  headers.add("Connect-Timeout-Ms", std::to_string(patience(milliseconds(1000)).count()));
  const auto messages = stream(
      "Start", R"({"process":{"cmd":"sh","args":["-c","sleep 1000; : )" + marker_ + R"("]}})",
      headers);
  EXPECT_NE(messages.back().find("deadline_exceeded"), std::string::npos);
  EXPECT_EQ(messages.size(), 2U) << "start, then the deadline";
  EXPECT_EQ(lasting_survivors(), 0);
}

TEST_F(ProcessServiceTest, UnaryCallsAnswerTheirStatus) {
  EXPECT_EQ(unary("List", "{}").body, R"({"processes":[]})");
  EXPECT_EQ(unary("List", "x").status, 400);
  EXPECT_EQ(unary("Dance", "{}").status, 501);
  for (const char* method : {"SendInput", "CloseStdin", "SendSignal", "Update"}) {
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
  EXPECT_EQ(unary("SendSignal", "{" + selector + R"(,"signal":"SIGNAL_SIGSTOP"})").status, 400);
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

TEST_F(ProcessServiceTest, OffsetsAndGapsOnlyForWhoAsks) {
  const auto plain = stream("Start", R"({"process":{"cmd":"echo","args":["hi"]},"tag":"t"})");
  for (const auto& message : plain) EXPECT_EQ(message.find("offset"), std::string::npos);
  const auto back = stream("Connect", R"({"process":{"tag":"t"},"since":"1"})");
  ASSERT_EQ(back.size(), 4U);
  EXPECT_NE(back[0].find(R"("offset":"1")"), std::string::npos);
  EXPECT_EQ(back[1], R"({"event":{"data":{"stdout":"aQo=","offset":"1"}}})");
  EXPECT_EQ(
      back[2],
      R"({"event":{"end":{"exitCode":0,"exited":true,"status":"exit status 0","offset":"3"}}})");
  EXPECT_EQ(stream("Connect", R"({"process":{"tag":"t"},"since":3})").size(), 3U);
  EXPECT_NE(
      stream("Connect", R"({"process":{"tag":"t"},"since":4})").at(0).find("invalid_argument"),
      std::string::npos);
  EXPECT_NE(
      stream("Connect", R"({"process":{"tag":"t"},"since":-1})").at(0).find("invalid_argument"),
      std::string::npos);
  const auto fresh = stream("Connect", R"({"process":{"tag":"t"}})");
  EXPECT_EQ(fresh.size(), 3U);  // start, end, closing: nothing new
}

TEST_F(ProcessServiceTest, ATerminalOverTheProtocol) {
  std::unique_ptr<ProcessReader> reader;
  auto begin = [&]() -> Task<void> {
    ProcessSpec spec = shell("read a; stty size; echo got $a");
    spec.tag = "t";
    spec.terminal = TerminalSize{.columns = 80, .rows = 24};
    reader = co_await start(std::move(spec));
  };
  run(begin());
  const std::string selector = R"({"process":{"tag":"t"},)";
  const auto resize = [&](const char* size) {
    return unary("Update", selector + R"("pty":{"size":)" + size + "}}").status;
  };
  EXPECT_EQ(resize(R"({"cols":132,"rows":50})"), 200);
  EXPECT_EQ(resize(R"({"cols":0,"rows":0})"), 400);
  EXPECT_EQ(resize(R"({"cols":100000,"rows":24})"), 400);
  EXPECT_EQ(resize("{}"), 400);
  EXPECT_EQ(unary("CloseStdin", R"({"process":{"tag":"t"}})").status, 400);
  EXPECT_EQ(unary("SendInput", selector + R"("input":{"stdin":"aGkK"}})").status, 400);
  EXPECT_EQ(unary("SendInput", selector + R"("input":{"pty":"aGkK"}})").status, 200);
  Story story;
  auto end = [&]() -> Task<void> {
    story = co_await read(*reader);
    reader.reset();
  };
  run(end());
  EXPECT_NE(story.out.find("50 132\r\ngot hi\r\n"), std::string::npos) << story.out;
}

TEST_F(ProcessServiceTest, AStreamOfInput) {
  std::unique_ptr<ProcessReader> reader;
  auto begin = [&]() -> Task<void> {
    // It outlives the end of its input.
    ProcessSpec spec = shell("cat; exec sleep 60");
    spec.tag = "t";
    reader = co_await start(std::move(spec));
  };
  run(begin());
  const auto feed = [&](const Strings& messages) {
    std::string bytes;
    for (const auto& message : messages) bytes += encode_envelope(0, message);
    std::string answer;
    auto test = [&]() -> Task<void> {
      TextBody body(bytes);
      http::Request request{.method = http::Method::post};
      request.body_reader = &body;
      const auto response = co_await service_->handle("StreamInput", request);
      EXPECT_EQ(response.status, 200);
      answer = response.body;
    };
    run(test());
    return answer;
  };
  const std::string named = R"({"start":{"process":{"tag":"t"}}})";
  EXPECT_EQ(feed({named, R"({"data":{"input":{"stdin":"YWI="}}})", R"({"keepalive":{}})",
                  R"({"data":{"input":{"stdin":"Y2Q="}}})"}),
            encode_envelope(0, "{}") + encode_envelope(2, "{}"));
  EXPECT_NE(feed({R"({"data":{"input":{"stdin":"YWI="}}})"}).find("invalid_argument"),
            std::string::npos);
  EXPECT_NE(feed({R"({"start":{"process":{"tag":"none"}}})"}).find("not_found"), std::string::npos);
  EXPECT_NE(feed({}).find("invalid_argument"), std::string::npos);
  EXPECT_NE(feed({named, R"({"data":{"input":{"pty":"YWI="}}})"}).find("failed_precondition"),
            std::string::npos);
  EXPECT_EQ(unary("CloseStdin", R"({"process":{"tag":"t"}})").status, 200);
  EXPECT_EQ(unary("SendInput", R"({"process":{"tag":"t"},"input":{"stdin":"YWI="}})").status, 500);
  EXPECT_EQ(
      unary("SendInput", R"({"process":{"tag":"t"},"exact":true,"input":{"stdin":"YWI="}})").status,
      400);  // failed_precondition
  std::string out;
  auto until_all_is_there = [&]() -> Task<void> {
    while (out.size() < 4) {
      const auto event = co_await reader->next(milliseconds(20'000));
      if (!event || event->kind != ProcessEvent::Kind::data) co_return;
      out += event->bytes;
    }
  };
  run(until_all_is_there());
  EXPECT_EQ(out, "abcd");
  EXPECT_EQ(unary("SendSignal", R"({"process":{"tag":"t"},"signal":9})").status, 200);
  auto end = [&]() -> Task<void> {
    (void)co_await read(*reader);
    reader.reset();
  };
  run(end());
}

TEST_F(ProcessServiceTest, WhatTheOrchestratorSaidHoldsForProcesses) {
  std::filesystem::create_directory(home_ / "here");
  settings_.default_workdir = "here";
  settings_.environment.emplace_back("SAID", "so");
  const auto messages =
      stream("Start", R"({"process":{"cmd":"sh","args":["-c","echo $PWD $SAID"]}})");
  EXPECT_NE(messages.at(1).find(base64_encode((home_ / "here").string() + " so\n")),
            std::string::npos);
  settings_.default_user = "nobody-here";
  EXPECT_NE(stream("Start", R"({"process":{"cmd":"true"}})").at(0).find("unauthenticated"),
            std::string::npos);
}

}  // namespace
}  // namespace matrx::agent
