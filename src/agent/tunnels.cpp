#include "agent/tunnels.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <vector>

#include "agent/connect_call.hpp"
#include "agent/file_error.hpp"
#include "agent/limits.hpp"
#include "async/as_tuple.hpp"
#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

using asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;

std::optional<std::uint16_t> port_of(const http::Request& request) {
  const std::string text = request.query_value("port").value_or("");
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Nothing where nobody listens there.
Task<std::shared_ptr<http::Stream>> dial(tcp::endpoint endpoint) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  const auto [ec] = co_await socket.async_connect(endpoint, kAsTuple);
  if (ec) co_return nullptr;
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  co_return http::adopt_socket(executor, socket.release());
}

Task<std::shared_ptr<http::Stream>> dial_loopback(std::uint16_t port) {
  SystemClock clock;
  for (const auto& address : {asio::ip::address(asio::ip::address_v4::loopback()),
                              asio::ip::address(asio::ip::address_v6::loopback())}) {
    const tcp::endpoint endpoint(address, port);
    auto stream = co_await with_deadline(clock, kDialDeadline, dial(endpoint));
    if (stream && *stream) co_return *std::move(stream);
  }
  co_return nullptr;
}

http::Response refuse(int status, std::string_view message, std::uint16_t port) {
  http::Response response = json_answer({{"code", status}, {"message", message}, {"port", port}});
  response.status = status;
  return response;
}

}  // namespace

struct Tunnels::Tunnel {
  http::Stream& client;
  http::Stream& server;
  SteadyClock::time_point moved = SteadyClock::now();
  bool over = false;

  void close() {
    over = true;
    client.close();
    server.close();
  }

  // One way, with one buffer: who does not read makes the other one wait.
  Task<void> pump(http::Stream& from, http::Stream& to) {
    std::vector<char> buffer(kTunnelBufferBytes);
    for (;;) {
      const auto count = co_await from.read_some(buffer);
      if (!count) break;
      moved = SteadyClock::now();
      if (*count == 0) {
        to.end_writing();
        co_return;
      }
      if (!co_await to.write(std::string_view(buffer.data(), *count))) break;
      moved = SteadyClock::now();
    }
    close();  // lost on one side: the other one shall know
  }

  Task<void> watch() {
    SystemClock clock;
    while (!over && SteadyClock::now() - moved < kTunnelIdle) co_await clock.sleep(kTunnelLook);
    if (!over) close();
  }
};

Task<http::Response> Tunnels::handle(const http::Request& request) {
  const auto port = port_of(request);
  if (!port) co_return plain_error(400, "port takes 1 to 65535.");
  if (!equals_ignoring_case(request.headers.get("Upgrade"), "matrx-tunnel")) {
    co_return plain_error(426, "This path is an upgrade to matrx-tunnel.");
  }
  if (open_.size() + dialing_ >= kTunnelsMax) {
    co_return refuse(429, "Too many connections into the sandbox are open.", *port);
  }
  ++dialing_;
  const auto server = co_await dial_loopback(*port);
  --dialing_;
  if (!server) co_return refuse(502, "Nothing listens on this port of the sandbox.", *port);
  http::Response response{.status = 101};
  response.headers.add("Connection", "Upgrade");
  response.headers.add("Upgrade", "matrx-tunnel");
  response.upgrade = [this, server](http::Stream& client) { return relay(client, server); };
  co_return response;
}

Task<void> Tunnels::relay(http::Stream& client, std::shared_ptr<http::Stream> server) {
  Tunnel tunnel{.client = client, .server = *server};
  struct Entry {
    std::list<Tunnel*>& list;
    std::list<Tunnel*>::iterator at;
    ~Entry() { list.erase(at); }
  };
  const Entry entry{open_, open_.insert(open_.end(), &tunnel)};
  TaskGroup ways(executor_), watch(executor_);
  watch.spawn("tunnel", tunnel.watch());
  ways.spawn("tunnel in", tunnel.pump(client, *server));
  ways.spawn("tunnel out", tunnel.pump(*server, client));
  co_await ways.join();
  tunnel.close();
  watch.cancel();
  co_await watch.join();
}

void Tunnels::stop() {
  for (Tunnel* tunnel : open_) tunnel->close();
}

}  // namespace matrx::agent
