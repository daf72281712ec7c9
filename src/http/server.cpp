#include "http/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <ranges>

#include "async/as_tuple.hpp"
#include "async/clock.hpp"
#include "async/strangers.hpp"
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

// A connection and its place in the list, from the moment it was accepted.
struct Place {
  Place(std::list<ServerConnection*>& all, std::unique_ptr<Stream> stream, Peer peer,
        Handler& handler)
      : connection(std::move(stream), std::move(peer), handler),
        list(all),
        at(list.insert(list.end(), &connection)) {}
  Place(const Place&) = delete;
  ~Place() { list.erase(at); }

  ServerConnection connection;
  std::list<ServerConnection*>& list;
  std::list<ServerConnection*>::iterator at;
};

bool is_regular(const ServerConnection* one) { return !one->is_spare() && !one->is_dropped(); }
bool is_spare(const ServerConnection* one) { return one->is_spare() && !one->is_dropped(); }

}  // namespace

struct Server::Impl {
  Impl(Executor e, Handler h, ServerLimits l)
      : executor(e), handler(std::move(h)), limits(l), sweep_timer(e), tasks(e) {}

  template <class Acceptor>
  Task<void> accept_from(Acceptor& acceptor);
  void start(std::unique_ptr<Stream> stream, Peer peer);
  Task<void> serve(std::unique_ptr<Place> place);
  bool make_room(const std::string& source);
  void drop(ServerConnection& connection);
  Task<void> sweep();

  Executor executor;
  Handler handler;
  ServerLimits limits;
  std::optional<tcp::acceptor> tcp_acceptor;
  std::optional<unix_protocol::acceptor> unix_acceptor;
  std::string unix_path;
  std::list<ServerConnection*> connections;  // in order of arrival
  std::size_t dropped = 0;                   // since the last line about it
  std::chrono::steady_clock::time_point drops_told;
  asio::steady_timer sweep_timer;
  bool stopping = false;
  std::chrono::steady_clock::time_point drain_until;
  AfterDrain then = AfterDrain::wait;
  SystemClock clock;
  TaskGroup tasks;
};

Server::Server(Executor executor, Handler handler, ServerLimits limits)
    : impl_(std::make_unique<Impl>(executor, std::move(handler), limits)) {}

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
  if (impl.tcp_acceptor) {
    impl.tasks.spawn_for_ever("accept", impl.clock,
                              [&impl] { return impl.accept_from(*impl.tcp_acceptor); });
  }
  if (impl.unix_acceptor) {
    impl.tasks.spawn_for_ever("accept", impl.clock,
                              [&impl] { return impl.accept_from(*impl.unix_acceptor); });
  }
  impl.tasks.spawn_for_ever("sweep", impl.clock, [&impl] { return impl.sweep(); });
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
  constexpr bool kIsTcp = std::is_same_v<Acceptor, tcp::acceptor>;
  while (!stopping) {
    // Twice as many as there may be: handlers of those that were dropped are still at work.
    if (connections.size() >= (kIsTcp ? 2 : 1) * limits.connections) {
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
    Peer peer{.address = {}, .source = {}, .is_known = !kIsTcp};
    if constexpr (kIsTcp) {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const auto address = socket.remote_endpoint(ignored).address();
      peer.address = address.to_string();
      peer.source = source_of(address);
      peer.is_spare = make_room(peer.source);
    }
    start(to_stream(asio::generic::stream_protocol::socket(std::move(socket))), std::move(peer));
  }
}

void Server::Impl::start(std::unique_ptr<Stream> stream, Peer peer) {
  auto place = std::make_unique<Place>(connections, std::move(stream), std::move(peer), handler);
  tasks.spawn("connection", serve(std::move(place)));
}

Task<void> Server::Impl::serve(std::unique_ptr<Place> place) { co_await place->connection.run(); }

// Before one more is taken in: a stranger goes where there are too many, and nobody else. True:
// there is none, so what comes is beyond their number.
bool Server::Impl::make_room(const std::string& source) {
  if (connections.size() >= limits.strangers_of_source) {
    const auto share = strangers_of(connections, source);
    const auto latest = std::chrono::steady_clock::now() - limits.stranger_grace;
    if (share.count >= limits.strangers_of_source && share.oldest->since() <= latest) {
      drop(*share.oldest);
    }
  }
  if (connections.size() < limits.connections) return false;
  const auto count = [this](auto which) {
    return static_cast<std::size_t>(std::ranges::count_if(connections, which));
  };
  if (count(is_regular) < limits.connections) return false;
  if (auto* oldest = oldest_of_most(connections | std::views::filter(is_regular))) {
    drop(*oldest);
    return false;
  }
  if (count(is_spare) >= limits.spares) {
    if (auto* oldest = oldest_of_most(connections | std::views::filter(is_spare))) drop(*oldest);
  }
  return true;
}

void Server::Impl::drop(ServerConnection& connection) {
  ++dropped;
  const auto now = std::chrono::steady_clock::now();
  if (now - drops_told >= kServerDropsInterval) {
    log::warning("too many connections of strangers: the oldest were closed",
                 {{"source", connection.source()}, {"connections", dropped}});
    dropped = 0;
    drops_told = now;
  }
  connection.drop();
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
