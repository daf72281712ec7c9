// TLS streams: the connector for a Docker engine behind TCP. Includes Asio's compiled TLS part.

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/asio/write.hpp>

#include "http/stream.hpp"

namespace matrx::http {
namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> lost(const boost::system::error_code& ec) {
  const bool ours = ec == asio::error::operation_aborted;  // close(), a deadline, our own end
  return fail(ours ? Code::cancelled : Code::unavailable, "The connection was lost.", ec.message());
}

using TlsSocket = asio::ssl::stream<asio::ip::tcp::socket>;

class TlsStream : public Stream {
 public:
  explicit TlsStream(TlsSocket socket) : socket_(std::move(socket)) {}

  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    const auto [ec, bytes] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kAsTuple);
    if (ec == asio::error::eof) co_return 0;
    if (ec) co_return lost(ec);
    co_return bytes;
  }

  Task<Result<void>> write(std::string_view head, std::string_view body) override {
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
    const auto [ec, bytes] = co_await asio::async_write(socket_, buffers, kAsTuple);
    if (ec) co_return lost(ec);
    co_return Result<void>();
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
    if (!socket_.lowest_layer().is_open()) return false;
    char byte;
    const ssize_t got =
        ::recv(socket_.lowest_layer().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  TlsSocket socket_;
};

Task<Result<std::unique_ptr<Stream>>> connect(std::shared_ptr<asio::ssl::context> context,
                                              std::string host, std::string port) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto [resolve_error, found] = co_await resolver.async_resolve(host, port, kAsTuple);
  if (resolve_error) {
    co_return fail(Code::unavailable, "cannot resolve " + host + ": " + resolve_error.message());
  }
  TlsSocket socket(executor, *context);
  const auto [ec, endpoint] = co_await asio::async_connect(socket.next_layer(), found, kAsTuple);
  if (ec) {
    co_return fail(Code::unavailable,
                   "cannot connect to " + host + ":" + port + ": " + ec.message());
  }
  socket.next_layer().set_option(asio::ip::tcp::no_delay(true));
  if (!SSL_set_tlsext_host_name(socket.native_handle(), host.c_str())) {
    co_return fail(Code::internal, "cannot name the TLS server");
  }
  const auto [tls_error] =
      co_await socket.async_handshake(asio::ssl::stream_base::client, kAsTuple);
  if (tls_error) {
    co_return fail(Code::unavailable, "TLS with " + host + " failed: " + tls_error.message());
  }
  co_return std::make_unique<TlsStream>(std::move(socket));
}

}  // namespace

Result<Connector> tls_connector(std::string host, std::string port, const TlsFiles& files) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  boost::system::error_code ec;
  const auto check = [&](const std::string& file) -> Result<void> {
    if (ec) return fail(Code::invalid, "cannot use " + file + ": " + ec.message());
    return {};
  };
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, ec);
  context->set_verify_mode(asio::ssl::verify_peer, ec);
  context->set_verify_callback(asio::ssl::host_name_verification(host), ec);
  if (files.ca.empty()) {
    context->set_default_verify_paths(ec);
  } else {
    context->load_verify_file(files.ca, ec);
    CHECK_OK(check(files.ca));
  }
  if (!files.certificate.empty()) {
    context->use_certificate_chain_file(files.certificate, ec);
    CHECK_OK(check(files.certificate));
    context->use_private_key_file(files.key, asio::ssl::context::pem, ec);
    CHECK_OK(check(files.key));
  }
  return Connector([context, host = std::move(host), port = std::move(port)] {
    return connect(context, host, port);
  });
}

}  // namespace matrx::http
