// What listens in the sandbox, and the way to it.

#include "agent/ports.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>

#include "agent/limits.hpp"
#include "agent/tunnels.hpp"
#include "async/as_tuple.hpp"
#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "fakes/run_task.hpp"
#include "http/server.hpp"

namespace matrx::agent {
namespace {

TEST(Ports, ReadsTheKernelsTable) {
  const auto four = parse_listeners(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
      "4711 1 0000000000000000 100 0 0 10 0\n"
      "   1: 0100007F:1F90 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 "
      "4712 1 0000000000000000 100 0 0 10 0\n"
      "   2: 0100007F:XXXX 00000000:0000 0A 0:0 0:0 0 0 0 1\n"
      "   3: short\n",
      false);
  ASSERT_EQ(four.size(), 1U);
  EXPECT_EQ(four[0].port, 8080);
  EXPECT_EQ(four[0].address, "127.0.0.1");
  EXPECT_EQ(four[0].uid, 1000U);
  EXPECT_EQ(four[0].inode, 4711U);
  const auto six = parse_listeners(
      "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 "
      "00:0 0 0 0 5 1\n",
      true);
  ASSERT_EQ(six.size(), 1U);
  EXPECT_EQ(six[0].address, "::1");
  EXPECT_EQ(six[0].port, 22);
}

// A child that listens on a port of loopback, and ends with its Listening.
class Listening {
 public:
  explicit Listening(uid_t uid = 0) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 5), 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (uid != 0) {
        (void)!::setresgid(uid, uid, uid);
        (void)!::setresuid(uid, uid, uid);
      }
      (void)!::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    for (int descriptor : {listener, ready[0], ready[1]}) ::close(descriptor);
  }
  ~Listening() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }

 private:
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

TEST(Ports, FindsWhoListens) {
  const Listening listening;
  const auto found = find_listeners();
  const auto one = std::ranges::find(found, listening.port(), &Listener::port);
  ASSERT_NE(one, found.end());
  EXPECT_EQ(one->pid, listening.pid());
  EXPECT_EQ(one->address, "127.0.0.1");
  EXPECT_TRUE(std::string("agent_test").starts_with(one->process.substr(0, 10))) << one->process;
  const auto described = describe_listeners({*one});
  EXPECT_EQ(described.at("ports").at(0).at("port"), listening.port());
  EXPECT_EQ(described.at("ports").at(0).at("pid"), listening.pid());
}

// --- The tunnel --------------------------------------------------------------------------------

using asio::ip::tcp;
class TunnelTest : public testing::Test {
 protected:
  // Runs the test beside a server of tunnels, and a listener inside.
  template <class F>
  void with_tunnels(F test) {
    asio::io_context io(1);
    Tunnels tunnels(io.get_executor());
    auto handle = [&](http::Request& request) { return tunnels.handle(request); };
    http::Server server(io.get_executor(), handle);
    ASSERT_TRUE(server.listen_tcp("127.0.0.1", 0));
    port_ = std::to_string(server.port());
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("server", server.run());
      co_await test(tunnels);
      server.stop();
      co_await group.join();
    };
    run_task(io, all());
  }
  Task<std::unique_ptr<http::Stream>> ask(std::string query, std::string upgrade = "matrx-tunnel") {
    auto stream = (co_await http::tcp_connector("127.0.0.1", port_)()).value();
    (void)co_await stream->write(
        "GET /matrx/tunnel?" + query +
        " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + "\r\n\r\nearly");
    co_return stream;
  }
  static Task<std::string> until(http::Stream& stream, std::string end) {
    std::string all;
    std::array<char, 4096> piece;
    while (!all.ends_with(end) || end.empty()) {
      const auto count = co_await stream.read_some(piece);
      if (!count || *count == 0) break;
      all.append(piece.data(), *count);
    }
    co_return all;
  }
  static Task<std::string> status(http::Stream& stream) {
    std::string all;
    std::array<char, 4096> piece;
    while (all.find("\r\n\r\n") == std::string::npos) {
      const auto count = co_await stream.read_some(piece);
      if (!count || *count == 0) break;
      all.append(piece.data(), *count);
    }
    co_return all.size() > 12 ? all.substr(9, 3) : all;
  }
  static Task<std::unique_ptr<http::Stream>> accept(tcp::acceptor& acceptor) {
    auto [ec, socket] = co_await acceptor.async_accept(kAsTuple);
    EXPECT_FALSE(ec);
    co_return http::adopt_socket(acceptor.get_executor(), socket.release());
  }

  std::string port_;
};

TEST_F(TunnelTest, BytesBothWaysAndEachEndsByItself) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    with_tunnels([&](Tunnels& tunnels) -> Task<void> {
      const auto executor = co_await asio::this_coro::executor;
      boost::system::error_code ec;
      tcp::acceptor inside(executor);
      const tcp::endpoint endpoint(asio::ip::make_address(address), 0);
      inside.open(endpoint.protocol(), ec);
      if (!ec) inside.bind(endpoint, ec);
      if (!ec) inside.listen(5, ec);
      if (ec) co_return;  // a machine without the sixth version
      auto client = co_await ask("port=" + std::to_string(inside.local_endpoint().port()));
      auto server = co_await accept(inside);
      EXPECT_EQ(co_await status(*client), "101");
      EXPECT_EQ(tunnels.size(), 1U);
      EXPECT_EQ(co_await until(*server, "early"), "early");
      (void)co_await client->write("ping");
      EXPECT_EQ(co_await until(*server, "ping"), "ping");
      client->end_writing();
      EXPECT_EQ(co_await until(*server, ""), "");
      (void)co_await server->write("still answered");
      server->end_writing();
      EXPECT_EQ(co_await until(*client, ""), "still answered");
      while (tunnels.size() > 0) co_await SystemClock().sleep(milliseconds(5));
    });
  }
}

TEST_F(TunnelTest, WhoDoesNotReadMakesTheOtherOneWait) {
  with_tunnels([&](Tunnels&) -> Task<void> {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor inside(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    auto client = co_await ask("port=" + std::to_string(inside.local_endpoint().port()));
    auto server = co_await accept(inside);
    (void)co_await status(*client);
    (void)co_await until(*server, "early");
    const std::string large(30'000'000, 'x');
    TaskGroup group(executor);
    bool written = false;
    auto write = [&]() -> Task<void> {
      written = (co_await server->write(large)).has_value();
      server->end_writing();
    };
    group.spawn("write", write());
    SystemClock clock;
    co_await clock.sleep(milliseconds(100));
    EXPECT_FALSE(written) << "30 MB went into no more than the sockets' own buffers";
    EXPECT_EQ((co_await until(*client, "")).size(), large.size());
    client->end_writing();
    co_await group.join();
    EXPECT_TRUE(written);
  });
}

TEST_F(TunnelTest, RefusesWhatLeadsNowhere) {
  with_tunnels([&](Tunnels&) -> Task<void> {
    const auto executor = co_await asio::this_coro::executor;
    std::uint16_t closed = 0;
    {
      tcp::acceptor gone(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
      closed = gone.local_endpoint().port();
    }
    auto nobody = co_await ask("port=" + std::to_string(closed));
    EXPECT_EQ(co_await status(*nobody), "502");
    for (const char* query : {"", "port=", "port=0", "port=65536", "port=x", "port=-1"}) {
      auto stream = co_await ask(query);
      EXPECT_EQ(co_await status(*stream), "400") << query;
    }
    auto plain = co_await ask("port=80", "websocket");
    EXPECT_EQ(co_await status(*plain), "426");
  });
}

TEST_F(TunnelTest, ALostSideEndsTheOtherAndSoDoesTheAgent) {
  with_tunnels([&](Tunnels& tunnels) -> Task<void> {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor inside(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const std::string query = "port=" + std::to_string(inside.local_endpoint().port());
    auto client = co_await ask(query);
    auto server = co_await accept(inside);
    (void)co_await status(*client);
    server.reset();
    (void)co_await until(*client, "");
    client.reset();
    auto second = co_await ask(query);
    auto held = co_await accept(inside);
    (void)co_await status(*second);
    tunnels.stop();
    (void)co_await until(*second, "");
    while (tunnels.size() > 0) co_await SystemClock().sleep(milliseconds(5));
  });
}

}  // namespace
}  // namespace matrx::agent
