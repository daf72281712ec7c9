#include "http/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "async/as_tuple.hpp"
#include "async/task_group.hpp"
#include "base/keep_alive.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "http/server_connection.hpp"

namespace matrx::http {
namespace {

constexpr auto kSweepInterval = 250ms;     // how late a deadline may be noticed
constexpr auto kAcceptRetryDelay = 100ms;  // no descriptor free: some will be soon
constexpr int kBacklog = 512;

using asio::ip::tcp;
using unix_protocol = asio::local::stream_protocol;

std::unique_ptr<Stream> to_stream(asio::generic::stream_protocol::socket socket) {
  const auto executor = socket.get_executor();
  return adopt_socket(executor, socket.release());
}

}  // namespace

struct Server::Impl {
  Impl(Executor e, Handler h) : executor(e), handler(std::move(h)), sweep_timer(e), tasks(e) {}

  template <class Acceptor>
  Task<void> accept_from(Acceptor& acceptor);
  Task<void> serve(std::unique_ptr<Stream> stream, std::string remote);
  Task<void> sweep();

  Executor executor;
  Handler handler;
  std::optional<tcp::acceptor> tcp_acceptor;
  std::optional<unix_protocol::acceptor> unix_acceptor;
  std::string unix_path;
  std::list<ServerConnection*> connections;
  asio::steady_timer sweep_timer;
  bool stopping = false;
  std::chrono::steady_clock::time_point drain_until;
  AfterDrain then = AfterDrain::wait;
  TaskGroup tasks;
};

Server::Server(Executor executor, Handler handler)
    : impl_(std::make_unique<Impl>(executor, std::move(handler))) {}

Server::~Server() = default;

Result<void> Server::listen_tcp(const std::string& host, std::uint16_t port) {
  boost::system::error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  if (ec) return fail(Code::invalid, "'" + host + "' is not an IP address to listen on");
  const tcp::endpoint endpoint(address, port);
  tcp::acceptor acceptor(impl_->executor);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (ec) {
    return fail(Code::unavailable,
                "cannot listen on " + host + ":" + std::to_string(port) + ": " + ec.message());
  }
  ask_after_silence(acceptor.native_handle());
  impl_->tcp_acceptor.emplace(std::move(acceptor));
  return {};
}

Result<void> Server::listen_unix(const std::string& path, unsigned mode) {
  boost::system::error_code ec;
  ::unlink(path.c_str());
  const unix_protocol::endpoint endpoint(path);
  unix_protocol::acceptor acceptor(impl_->executor);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec && ::chmod(path.c_str(), mode) != 0) {
    ec.assign(errno, boost::system::system_category());
  }
  if (!ec) acceptor.listen(kBacklog, ec);
  if (ec) return fail(Code::unavailable, "cannot listen on " + path + ": " + ec.message());
  impl_->unix_acceptor.emplace(std::move(acceptor));
  impl_->unix_path = path;
  return {};
}

std::uint16_t Server::port() const {
  const Impl& impl = *impl_;
  return impl.tcp_acceptor ? impl.tcp_acceptor->local_endpoint().port() : 0;
}

std::size_t Server::connections() const { return impl_->connections.size(); }

Task<void> Server::run() {
  Impl& impl = *impl_;
  if (impl.tcp_acceptor) impl.tasks.spawn("accept", impl.accept_from(*impl.tcp_acceptor));
  if (impl.unix_acceptor) impl.tasks.spawn("accept", impl.accept_from(*impl.unix_acceptor));
  impl.tasks.spawn("sweep", impl.sweep());
  co_await impl.tasks.join();
}

void Server::stop(AfterDrain then, std::chrono::milliseconds drain) {
  Impl& impl = *impl_;
  if (std::exchange(impl.stopping, true)) return;
  impl.drain_until = std::chrono::steady_clock::now() + drain;
  impl.then = then;
  boost::system::error_code ignored;
  if (impl.tcp_acceptor) impl.tcp_acceptor->close(ignored);
  if (impl.unix_acceptor) impl.unix_acceptor->close(ignored);
  if (!impl.unix_path.empty()) ::unlink(impl.unix_path.c_str());
  for (ServerConnection* connection : impl.connections) connection->stop();
  impl.sweep_timer.cancel();
}

template <class Acceptor>
Task<void> Server::Impl::accept_from(Acceptor& acceptor) {
  while (!stopping) {
    if (connections.size() >= kServerConnectionsMax) {
      asio::steady_timer pause(executor, kAcceptRetryDelay);
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    auto [ec, socket] = co_await acceptor.async_accept(kAsTuple);
    if (stopping) break;
    if (ec) {
      log::warning("cannot accept a connection", {{"error", ec.message()}});
      asio::steady_timer pause(executor, kAcceptRetryDelay);
      co_await pause.async_wait(kAsTuple);
      continue;
    }
    std::string remote;
    if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      remote = socket.remote_endpoint(ignored).address().to_string();
    }
    auto stream = to_stream(asio::generic::stream_protocol::socket(std::move(socket)));
    tasks.spawn("connection", serve(std::move(stream), std::move(remote)));
  }
}

Task<void> Server::Impl::serve(std::unique_ptr<Stream> stream, std::string remote) {
  ServerConnection connection(std::move(stream), std::move(remote), handler);
  struct Entry {
    std::list<ServerConnection*>& list;
    std::list<ServerConnection*>::iterator at;
    ~Entry() { list.erase(at); }
  };
  const Entry entry{connections, connections.insert(connections.end(), &connection)};
  co_await connection.run();
}

Task<void> Server::Impl::sweep() {
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    if (stopping && now >= drain_until) {
      // A handler may wait for something else than its connection: a command, a container, a home.
      for (ServerConnection* connection : connections) connection->close();
      if (then == AfterDrain::cancel) tasks.cancel();
      co_return;
    }
    // A close only fails pending operations, which resume later: the list does not change here.
    for (ServerConnection* connection : connections) {
      connection->close_if_late(now);
    }
    if (stopping && connections.empty()) co_return;
    sweep_timer.expires_after(stopping ? std::chrono::milliseconds(20) : kSweepInterval);
    co_await sweep_timer.async_wait(kAsTuple);
  }
}

}  // namespace matrx::http
