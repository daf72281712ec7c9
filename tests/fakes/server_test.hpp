#pragma once
// A server of ours on a free port, and clients for it: our own, and raw bytes.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "async/task_group.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "http/client.hpp"
#include "http/server.hpp"

namespace matrx::http {

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }

  // Runs a test coroutine beside a server.
  template <class F>
  void with_server(Handler handler, F test) {
    asio::io_context io(1);
    Server server(io.get_executor(), std::move(handler), limits_);
    ASSERT_TRUE(server.listen_tcp("127.0.0.1", 0));
    const std::string port = std::to_string(server.port());
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("server", server.run());
      co_await test(port);
      server.stop();
      co_await group.join();
      held_.clear();
    };
    run_task(io, all());
  }

  static Client client_to(const std::string& port) {
    return Client(tcp_connector("127.0.0.1", port),
                  {.name = "The server", .host = "test", .answer_bytes_max = 4000});
  }

  static Task<std::string> next(Stream& stream) {
    std::array<char, 4096> piece;
    const auto count = co_await stream.read_some(piece);
    co_return std::string(piece.data(), count.value_or(0));
  }

  // What comes until the other side closes.
  static Task<std::string> rest(Stream& stream) {
    std::string all;
    for (;;) {
      const std::string piece = co_await next(stream);
      if (piece.empty()) co_return all;
      all += piece;
    }
  }

  // Sends raw bytes, and reads until the server closes.
  static Task<std::string> raw(std::string port, std::string bytes) {
    auto stream = (co_await tcp_connector("127.0.0.1", port)()).value();
    (void)co_await stream->write(bytes);
    co_return co_await rest(*stream);
  }

  ServerLimits limits_;
  std::vector<std::unique_ptr<Stream>> held_;  // open until the server has stopped
};

}  // namespace matrx::http
