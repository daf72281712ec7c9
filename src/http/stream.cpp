#include "http/stream.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "http/socket_stream.hpp"

namespace matrx::http {
namespace {

using PlainStream = SocketStream<asio::generic::stream_protocol::socket>;

}  // namespace

Connector unix_connector(std::string path) {
  return [path = std::move(path)]() -> Task<Result<std::unique_ptr<Stream>>> {
    return [](std::string socket_path) -> Task<Result<std::unique_ptr<Stream>>> {
      asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
      const auto [ec] = co_await socket.async_connect(
          asio::local::stream_protocol::endpoint(socket_path), kAsTuple);
      if (ec) {
        co_return fail(Code::unavailable, "cannot connect to " + socket_path + ": " + ec.message());
      }
      co_return std::make_unique<PlainStream>(
          asio::generic::stream_protocol::socket(std::move(socket)));
    }(path);
  };
}

Connector tcp_connector(std::string host, std::string port) {
  return [host = std::move(host), port = std::move(port)] {
    return [](std::string h, std::string p) -> Task<Result<std::unique_ptr<Stream>>> {
      const auto executor = co_await asio::this_coro::executor;
      asio::ip::tcp::resolver resolver(executor);
      const auto [resolve_error, found] = co_await resolver.async_resolve(h, p, kAsTuple);
      if (resolve_error) {
        co_return fail(Code::unavailable, "cannot resolve " + h + ": " + resolve_error.message());
      }
      asio::ip::tcp::socket socket(executor);
      const auto [ec, endpoint] = co_await asio::async_connect(socket, found, kAsTuple);
      if (ec) {
        co_return fail(Code::unavailable, "cannot connect to " + h + ":" + p + ": " + ec.message());
      }
      socket.set_option(asio::ip::tcp::no_delay(true));
      co_return std::make_unique<PlainStream>(
          asio::generic::stream_protocol::socket(std::move(socket)));
    }(host, port);
  };
}

std::unique_ptr<Stream> adopt_socket(Executor executor, int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  const int family = address.ss_family == 0 ? AF_UNIX : address.ss_family;
  return std::make_unique<PlainStream>(asio::generic::stream_protocol::socket(
      executor, asio::generic::stream_protocol(family, 0), descriptor));
}

}  // namespace matrx::http
