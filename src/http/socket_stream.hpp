#pragma once
// A byte stream over a socket of Asio's, plain or TLS. For the files that make such sockets.

#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "async/as_tuple.hpp"
#include "http/stream.hpp"

namespace matrx::http {

// An end and a lost connection are remembered: after them Asio's reactor does not try again at
// once, but waits for the kernel to say something new about the socket, which it never does (seen
// with Boost 1.81: a write after a failed write hung until its deadline).
template <typename Socket>
class SocketStream : public Stream {
 public:
  explicit SocketStream(Socket socket) : socket_(std::move(socket)) {}

  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    if (read_end_) co_return answer(*read_end_);
    const auto [ec, bytes] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kAsTuple);
    if (!ec) co_return bytes;
    if (ec != asio::error::operation_aborted) read_end_ = ec;  // a reader may come back from that
    co_return answer(ec);
  }

  Task<Result<void>> write(std::string_view head, std::string_view body) override {
    if (write_end_) co_return lost(*write_end_);
    // The usual answer fits into the socket's buffer: no need to ask the reactor first.
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
    const auto [ec, bytes] = co_await asio::async_write(socket_, buffers, kAsTuple);
    if (!ec) co_return Result<void>();
    write_end_ = ec;
    co_return lost(ec);
  }

  void end_writing() override {
    boost::system::error_code ignored;
    socket_.lowest_layer().shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void close() override {
    boost::system::error_code ignored;
    socket_.lowest_layer().shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.lowest_layer().close(ignored);
  }

  bool is_idle_and_open() override {
    auto& socket = socket_.lowest_layer();
    if (!socket.is_open()) return false;
    char byte;
    const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  using ErrorCode = boost::system::error_code;

  static Result<std::size_t> answer(const ErrorCode& ec) {
    if (ec == asio::error::eof) return 0;
    return lost(ec);
  }
  static std::unexpected<Error> lost(const ErrorCode& ec) {
    const bool ours = ec == asio::error::operation_aborted;  // close(), a deadline, our own end
    return fail(ours ? Code::cancelled : Code::unavailable, "The connection was lost.",
                ec.message());
  }

  Socket socket_;
  std::optional<ErrorCode> read_end_, write_end_;
};

}  // namespace matrx::http
