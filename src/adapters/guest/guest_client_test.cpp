// The channel of signals, with a hostile program at its other end.

#include "adapters/guest/guest_client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <filesystem>

#include "adapters/guest/allowance.hpp"
#include "async/task_group.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "http/server.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

// Time that passes only where somebody sleeps.
class SleepingClock : public Clock {
 public:
  TimePoint now() const override { return TimePoint(uptime_); }
  milliseconds uptime() const override { return uptime_; }
  Task<void> sleep(milliseconds duration) override {
    uptime_ += duration;
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
  milliseconds slept() const { return uptime_ - milliseconds(1); }

 private:
  milliseconds uptime_{1};
};

class GuestClientTest : public testing::Test {
 protected:
  GuestClientTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    std::string name = (fs::temp_directory_path() / "matrx-guest-XXXXXX").string();
    root_ = fs::canonical(::mkdtemp(name.data()));
    fs::create_directories(root_ / id_.text() / "run");
  }
  ~GuestClientTest() override { fs::remove_all(root_); }

  // Listens to an agent that says these, one envelope each, and closes. What came of it.
  Result<void> listen(std::vector<std::string> said) {
    asio::io_context io(1);
    http::Server agent(io.get_executor(), [&](http::Request& request) -> Task<http::Response> {
      http::Response response;
      if (request.path == "/matrx/signals") {
        response.stream = [&said](http::BodyWriter& writer) -> Task<void> {
          std::string all;
          for (const std::string& text : said) all += encode_envelope(0, text);
          (void)co_await writer.write(all);
        };
      } else {
        ++replies_;
        (void)co_await request.body_reader->read_all(kGuestAnswerBytesMax);
      }
      co_return response;
    });
    EXPECT_TRUE(agent.listen_unix((root_ / id_.text() / "run" / "agent.sock").string(), 0600));
    GuestClient client(clock_, root_);
    Result<void> result;
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("agent", agent.run());
      SignalHandler handler = [this](AgentSignal) -> Task<Result<void>> {
        ++heard_;
        co_return Result<void>();
      };
      result = co_await client.serve_signals(id_, std::move(handler));
      client.forget(id_);
      agent.stop();
      co_await group.join();
    };
    run_task(io, all());
    return result;
  }

  static std::string heartbeat(int id) {
    return R"({"id":)" + std::to_string(id) + R"(,"kind":"heartbeat","text":"","payload":""})";
  }

  fs::path root_;
  SandboxId id_ = *SandboxId::parse("sbx-0123456789ab");
  SleepingClock clock_;
  int heard_ = 0, replies_ = 0;
};

TEST_F(GuestClientTest, AnHonestAgentIsHeardAtOnce) {
  std::vector<std::string> said = {"{}"};
  for (int i = 0; i < 20; ++i) said.push_back(heartbeat(i));
  said.push_back(R"({"id":20,"kind":"complete","text":"","payload":")" +
                 std::string(64 * 1024, 'x') + R"("})");
  EXPECT_EQ(listen(said).error().code, Code::unavailable);  // it has closed the channel
  EXPECT_EQ(heard_, 21);
  EXPECT_EQ(replies_, 21);
  EXPECT_EQ(clock_.slept().count(), 0);
}

TEST_F(GuestClientTest, AFloodIsTakenSlowly) {
  constexpr int kMany = 400;
  for (const std::string& text : {heartbeat(1), std::string("{}")}) {
    const milliseconds before = clock_.slept();
    (void)listen(std::vector<std::string>(kMany, text));
    const auto cost = kMany * kSignalCostMin - kSignalBytesReserve;
    EXPECT_GE((clock_.slept() - before).count(), cost * 1000 / kSignalBytesPerSecond) << text;
  }
  EXPECT_EQ(heard_, kMany) << "none of them is lost";
}

TEST_F(GuestClientTest, WhatIsNoSignalEndsTheChannel) {
  for (const char* text : {"", "[]", "{ }", "null", R"({"kind":"other"})", R"({"id":1})", "x"}) {
    heard_ = 0;
    EXPECT_EQ(listen({heartbeat(1), text, heartbeat(2)}).error().code, Code::invalid) << text;
    EXPECT_EQ(heard_, 1) << text;
  }
}

TEST(Allowance, FillsUpWithTimeAndNotBeyondItsReserve) {
  Allowance allowance(100, 200, milliseconds(0));
  EXPECT_EQ(allowance.take(200, milliseconds(0)).count(), 0);
  EXPECT_EQ(allowance.take(50, milliseconds(0)).count(), 500);
  EXPECT_EQ(allowance.take(0, milliseconds(500)).count(), 0);
  EXPECT_EQ(allowance.take(100, milliseconds(1500)).count(), 0);
  EXPECT_EQ(allowance.take(201, milliseconds(INT64_MAX / 2)).count(), 10);
}

}  // namespace
}  // namespace matrx
