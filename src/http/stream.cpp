#include "http/stream.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

namespace matrx::http {
namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> lost(const boost::system::error_code& ec) {
  const bool ours = ec == asio::error::operation_aborted;  // close(), a deadline, our own end
  return fail(ours ? Code::cancelled : Code::unavailable, "The connection was lost.", ec.message());
}

class SocketStream : public Stream {
 public:
  explicit SocketStream(asio::generic::stream_protocol::socket socket)
      : socket_(std::move(socket)) {}

  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    const auto [ec, bytes] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kAsTuple);
    if (ec == asio::error::eof) co_return 0;
    if (ec) co_return lost(ec);
    co_return bytes;
  }

  Task<Result<void>> write(std::string_view head, std::string_view body) override {
    // The usual answer fits into the socket's buffer: no need to ask the reactor first.
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
    const auto [ec, bytes] = co_await asio::async_write(socket_, buffers, kAsTuple);
    if (ec) co_return lost(ec);
    co_return Result<void>();
  }

  void end_writing() override {
    boost::system::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void close() override {
    boost::system::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.close(ignored);
  }

  bool is_idle_and_open() override {
    if (!socket_.is_open()) return false;
    char byte;
    const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  asio::generic::stream_protocol::socket socket_;
};

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
      co_return std::make_unique<SocketStream>(
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
      co_return std::make_unique<SocketStream>(
          asio::generic::stream_protocol::socket(std::move(socket)));
    }(host, port);
  };
}

std::unique_ptr<Stream> adopt_socket(Executor executor, int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  const int family = address.ss_family == 0 ? AF_UNIX : address.ss_family;
  return std::make_unique<SocketStream>(asio::generic::stream_protocol::socket(
      executor, asio::generic::stream_protocol(family, 0), descriptor));
}

}  // namespace matrx::http
