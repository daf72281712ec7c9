#include "agent/signal_command.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "agent/limits.hpp"
#include "async/task_group.hpp"
#include "fakes/run_task.hpp"
#include "http/server.hpp"

namespace matrx::agent {
namespace {

constexpr const char* kId = "sbx-0123456789ab";

// Its pauses take no time; the sum of them is what a test asks.
class HastyClock : public SystemClock {
 public:
  Task<void> sleep(milliseconds duration) override {
    slept += duration;
    co_return;
  }
  milliseconds slept{0};
};

// Answers with these, one after the other, then with the last one for ever; 0: breaks the line.
class Listener {
 public:
  explicit Listener(std::vector<int> statuses) : statuses_(std::move(statuses)) {}

  Result<std::string> hear(SignalCommand command) {
    Result<std::string> result;
    auto both = [&]() -> Task<void> {
      const auto executor = co_await asio::this_coro::executor;
      http::Server server(executor, [this](http::Request& request) { return answer(request); });
      EXPECT_TRUE(server.listen_tcp("127.0.0.1", 0));
      TaskGroup group(executor);
      group.spawn("server", server.run());
      SignalPlace place{
          .host = "127.0.0.1", .port = std::to_string(server.port()), .sandbox_id = kId};
      SeededRandom random(3);
      result = co_await send_signal(std::move(place), std::move(command), clock, random);
      server.stop();
      co_await group.join();
    };
    run_task(both());
    return result;
  }

  std::vector<std::string> heard;  // path and body
  HastyClock clock;

 private:
  Task<http::Response> answer(http::Request& request) {
    const auto body = co_await request.body_reader->read_all(kSignalBodyBytesMax);
    heard.push_back(request.path + " " + body.value_or("?"));
    http::Response response;
    response.status = statuses_[std::min(heard.size(), statuses_.size()) - 1];
    response.body =
        response.status < 300 ? R"({"acknowledged":true})" : R"({"detail":"its words"})";
    co_return response;
  }

  std::vector<int> statuses_;
};

std::string body_of(const std::vector<std::string>& words) {
  const auto command = parse_signal_command(words);
  return command ? command->body : "refused: " + command.error().message;
}

TEST(SignalCommand, BecomesABody) {
  EXPECT_EQ(body_of({"heartbeat"}), "{}");
  EXPECT_EQ(body_of({"complete"}), "{}");
  EXPECT_EQ(body_of({"complete", R"({"a":[1]})"}), R"({"result":{"a":[1]}})");
  EXPECT_EQ(body_of({"complete", "null"}), R"({"result":null})");
  EXPECT_EQ(body_of({"error", "it \"broke\""}), R"({"error":"it \"broke\""})");
  EXPECT_EQ(body_of({"error", "x", "7"}), R"({"error":"x","details":7})");
  EXPECT_EQ(body_of({"error", "\xff"}), "{\"error\":\"\xEF\xBF\xBD\"}");
}

TEST(SignalCommand, RefusesWhatCannotBeMeant) {
  const std::vector<std::vector<std::string>> wrong = {{"heartbeat", "now"},
                                                       {"complete", "plain words"},
                                                       {"complete", "1", "2"},
                                                       {"error"},
                                                       {"error", "x", "{"},
                                                       {"error", "x", "1", "2"},
                                                       {"error", std::string(70'000, 'x')}};
  for (const auto& words : wrong) {
    EXPECT_TRUE(body_of(words).starts_with("refused: ")) << body_of(words).substr(0, 80);
  }
}

TEST(SignalCommand, FindsItsAgent) {
  const auto place =
      find_signal_place({{"SANDBOX_ID", kId}, {"ORCHESTRATOR_URL", "http://127.0.0.1:49980/"}});
  ASSERT_TRUE(place);
  EXPECT_EQ(place->host + " " + place->port + " " + place->sandbox_id,
            std::string("127.0.0.1 49980 ") + kId);
  for (const char* url :
       {"", "127.0.0.1:1", "https://a:1", "http://", "http://a:x", "http://a/b:1"}) {
    EXPECT_FALSE(find_signal_place({{"SANDBOX_ID", kId}, {"ORCHESTRATOR_URL", url}})) << url;
  }
  EXPECT_FALSE(find_signal_place({{"ORCHESTRATOR_URL", "http://a:1"}}));
}

TEST(SignalCommand, IsSentOnceWhereThatWorks) {
  Listener listener({200});
  EXPECT_EQ(listener.hear({.kind = "heartbeat", .body = "{}"}).value(), R"({"acknowledged":true})");
  EXPECT_EQ(listener.heard, std::vector{std::string("/sandboxes/") + kId + "/heartbeat {}"});
  EXPECT_EQ(listener.clock.slept, milliseconds(0));
}

TEST(SignalCommand, IsSentAgainUntilItArrives) {
  Listener listener({503, 502, 200});
  EXPECT_TRUE(listener.hear({.kind = "complete", .body = "{}"}));
  EXPECT_EQ(listener.heard.size(), 3U);
  EXPECT_GT(listener.clock.slept, kSignalFirstPause);
}

TEST(SignalCommand, GivesUpAfterSomeTries) {
  Listener listener({503});
  const auto failed = listener.hear({.kind = "error", .body = "{}"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_TRUE(failed.error().message.contains("its words")) << failed.error().message;
  EXPECT_EQ(listener.heard.size(), static_cast<std::size_t>(kSignalTries));
}

TEST(SignalCommand, WhatIsRefusedIsNotSentAgain) {
  for (const int status : {400, 403, 404, 409, 410, 413, 422}) {
    Listener listener({status});
    const auto refused = listener.hear({.kind = "complete", .body = "{}"});
    ASSERT_FALSE(refused) << status;
    EXPECT_EQ(refused.error().code, Code::forbidden);
    EXPECT_EQ(listener.heard.size(), 1U);
  }
}

TEST(SignalCommand, AnEndThatFollowsALostAnswerIsTheOneAskedFor) {
  Listener listener({503, 410});
  const auto done = listener.hear({.kind = "complete", .body = "{}"});
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->contains("shutting_down"));
  Listener beating({503, 410});
  EXPECT_FALSE(beating.hear({.kind = "heartbeat", .body = "{}"}));
}

TEST(SignalCommand, PausesGrowToALimitAndAreNeverTheSame) {
  SeededRandom random(1);
  for (int failed = 1; failed < 20; ++failed) {
    const auto pause = signal_pause(failed, random);
    const auto full = std::min<milliseconds>(kSignalFirstPause * (1 << std::min(failed - 1, 10)),
                                             kSignalPauseMax);
    EXPECT_LE(pause, full);
    EXPECT_GE(pause * 2, full);
  }
}

}  // namespace
}  // namespace matrx::agent
