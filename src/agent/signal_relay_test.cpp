// Both sides of the relay: what programs in the sandbox send, what the orchestrator is told.

#include "agent/signal_relay.hpp"

#include <gtest/gtest.h>

#include "agent/limits.hpp"
#include "async/task_group.hpp"
#include "fakes/run_task.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

constexpr const char* kRelayId = "sbx-0123456789ab";

class TextBody : public http::BodyReader {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return text_.size(); }

 private:
  std::string text_;
};

class SignalRelayTest : public testing::Test {
 protected:
  // Answers every signal like an orchestrator, with that code (empty: well).
  class Orchestrator : public http::BodyWriter {
   public:
    Orchestrator(SignalRelay& relay, std::string code) : relay_(relay), code_(std::move(code)) {}
    Task<Result<void>> write(std::string_view piece) override {
      decoder_.append(std::string(piece));
      while (auto envelope = decoder_.next().value()) {
        const auto message = json::parse(envelope->text).value().as_object();
        if (!message.contains("id")) continue;  // its first word, and signs of life
        heard.push_back(message);
        http::Request reply{.method = http::Method::post};
        TextBody body(boost::json::serialize(
            json::object{{"id", message.at("id")}, {"code", code_}, {"message", "its words"}}));
        reply.body_reader = &body;
        (void)co_await relay_.handle_reply(reply);
      }
      co_return Result<void>();
    }
    bool is_over() override { return false; }
    std::vector<json::object> heard;

   private:
    SignalRelay& relay_;
    std::string code_;
    EnvelopeDecoder decoder_{1'000'000};
  };

  // One call to the loopback side while an orchestrator listens.
  http::Response send(std::string path, std::string body, std::string code = "",
                      http::Method method = http::Method::post) {
    Orchestrator orchestrator(relay_, std::move(code));
    http::Response answer;
    auto both = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      http::Response subscription = relay_.subscribe();
      group.spawn("stream", subscription.stream(orchestrator));
      TextBody reader(body);
      http::Request request{.method = method, .target = path, .path = path};
      request.body_reader = &reader;
      answer = co_await relay_.handle_loopback(request);
      relay_.stop();
      co_await group.join();
    };
    run_task(both());
    heard_ = orchestrator.heard;
    return answer;
  }
  // One heartbeat while nobody listens.
  static Task<http::Response> unheard(SignalRelay& relay) {
    TextBody reader("");
    http::Request request{.method = http::Method::post, .path = path("heartbeat")};
    request.body_reader = &reader;
    co_return co_await relay.handle_loopback(request);
  }
  static std::string path(const std::string& kind, const std::string& id = kRelayId) {
    return "/sandboxes/" + id + "/" + kind;
  }

  SignalRelay relay_{kRelayId};
  std::vector<json::object> heard_;
};

TEST_F(SignalRelayTest, TellsEachKind) {
  EXPECT_EQ(send(path("heartbeat"), "").status, 200);
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_EQ(heard_[0].at("kind"), "heartbeat");
  const auto complete = send(path("complete"), R"({"result": {"a": 1}})");
  EXPECT_EQ(complete.status, 200);
  EXPECT_NE(complete.body.find("shutting_down"), std::string::npos);
  EXPECT_EQ(heard_.at(0).at("payload"), R"({"a":1})");
  EXPECT_EQ(send(path("complete"), "").status, 200);
  const auto error = send(path("error"), R"({"error": "why", "details": [1]})");
  EXPECT_NE(error.body.find("error_received"), std::string::npos);
  EXPECT_EQ(heard_.at(0).at("text"), "why");
  EXPECT_EQ(heard_.at(0).at("payload"), "[1]");
}

TEST_F(SignalRelayTest, ARefusalComesBackInItsWords) {
  const auto gone = send(path("heartbeat"), "", "gone");
  EXPECT_EQ(gone.status, 410);
  EXPECT_NE(gone.body.find("its words"), std::string::npos);
}

TEST_F(SignalRelayTest, ASandboxSpeaksOnlyForItself) {
  EXPECT_EQ(send(path("heartbeat", "sbx-ffffffffffff"), "").status, 403);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(SignalRelayTest, RefusesWhatIsNoSignal) {
  EXPECT_EQ(send("/", "").status, 404);
  EXPECT_EQ(send(path("dance"), "").status, 404);
  EXPECT_EQ(send(path("heartbeat"), "", "", http::Method::get).status, 405);
  EXPECT_EQ(send(path("error"), "{}").status, 422);
  EXPECT_EQ(send(path("error"), R"({"error": 7})").status, 422);
  EXPECT_EQ(send(path("error"), "no json").status, 422);
  EXPECT_EQ(send(path("complete"), "[]").status, 422);
  EXPECT_EQ(send(path("complete"), std::string(kSignalBodyBytesMax + 1, ' ')).status, 413);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(SignalRelayTest, WhatNobodyHeardIsToldToTheNextWhoListens) {
  Orchestrator orchestrator(relay_, "");
  http::Response answer;
  auto later = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    auto call = [&]() -> Task<void> {
      answer = co_await unheard(relay_);
      relay_.stop();
    };
    group.spawn("call", call());  // nobody listens yet
    http::Response subscription = relay_.subscribe();
    group.spawn("stream", subscription.stream(orchestrator));
    co_await group.join();
  };
  run_task(later());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(orchestrator.heard.size(), 1U);
}

TEST_F(SignalRelayTest, WithoutAnOrchestratorTheProgramLearnsItInTime) {
  SignalRelay hasty(kRelayId, milliseconds(20));
  const auto answer = run_task(unheard(hasty));
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("The orchestrator does not answer"), std::string::npos);
  // Whoever was told that it failed is not spoken for later.
  Orchestrator orchestrator(hasty, "");
  auto listen = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    http::Response subscription = hasty.subscribe();
    group.spawn("stream", subscription.stream(orchestrator));
    co_await asio::post(asio::use_awaitable);
    hasty.stop();
    co_await group.join();
  };
  run_task(listen());
  EXPECT_TRUE(orchestrator.heard.empty());
}

TEST_F(SignalRelayTest, AFloodThatNobodyHearsIsBounded) {
  SignalRelay hasty(kRelayId, milliseconds(200));
  int waited = 0, refused = 0;
  auto call = [&]() -> Task<void> {
    const auto answer = co_await unheard(hasty);
    EXPECT_EQ(answer.status, 503);
    ++(answer.body.find("Too many signals") == std::string::npos ? waited : refused);
  };
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (std::size_t i = 0; i < kSignalsWaitingMax + 3; ++i) group.spawn("call", call());
    co_await group.join();
  };
  run_task(all());
  EXPECT_EQ(waited, kSignalsWaitingMax);
  EXPECT_EQ(refused, 3);
}

}  // namespace
}  // namespace matrx::agent
