// TLS streams: the connector for a Docker engine behind TCP. Includes Asio's compiled TLS part.

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>

#include "http/socket_stream.hpp"

namespace matrx::http {
namespace {

using TlsSocket = asio::ssl::stream<asio::ip::tcp::socket>;
using TlsStream = SocketStream<TlsSocket>;

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
