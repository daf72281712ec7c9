#include "ssh/gateway.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <list>

#include "async/as_tuple.hpp"
#include "async/strangers.hpp"
#include "base/descriptor.hpp"
#include "base/keep_alive.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "ssh/connection.hpp"

namespace matrx::ssh {
namespace {

using asio::ip::tcp;

constexpr auto kAcceptRetryDelay = std::chrono::milliseconds(100);
constexpr int kBacklog = 64;

// Only what costs little: key exchanges run on our one thread, before anybody has signed in.
constexpr const char* kKeyExchanges =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256";
constexpr const char* kCiphers =
    "aes256-gcm@openssh.com,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,"
    "aes128-ctr";
constexpr const char* kMacs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";

bool set_option(ssh_bind bind, ssh_bind_options_e option, const char* value) {
  return ssh_bind_options_set(bind, option, value) == SSH_OK;
}

// A place in the list of connections, from the moment it was accepted.
class Place {
 public:
  Place(std::list<Connection*>& list, std::unique_ptr<Connection> connection)
      : connection_(std::move(connection)),
        list_(list),
        at_(list.insert(list.end(), connection_.get())) {}
  Place(const Place&) = delete;
  ~Place() { list_.erase(at_); }
  Connection& connection() { return *connection_; }

 private:
  std::unique_ptr<Connection> connection_;
  std::list<Connection*>& list_;
  std::list<Connection*>::iterator at_;
};

}  // namespace

struct Gateway::Impl {
  Impl(Executor e, GatewaySettings s, Core& core, Clock& clock, Random& random)
      : executor(e),
        settings(std::move(s)),
        context{.core = core, .clock = clock, .random = random, .hang_ups = TaskGroup(e)},
        acceptor(e),
        tasks(e) {}

  Result<void> prepare_library();
  Result<void> listen();
  Task<void> accept();
  Result<SessionHandle> adopt(int socket);
  bool make_room(const std::string& source);
  void start(SessionHandle session, int watched, Peer peer);
  Task<void> serve(std::unique_ptr<Place> place);
  std::size_t strangers() const;
  std::size_t count_in(const SandboxId& id) const;

  Executor executor;
  GatewaySettings settings;
  GatewayContext context;
  AccessKeys keys;
  BindHandle bind;
  tcp::acceptor acceptor;
  std::list<Connection*> connections;  // in order of arrival
  bool stopping = false;
  TaskGroup tasks;
};

Gateway::Gateway(Executor executor, GatewaySettings settings, Core& core, Clock& clock,
                 Random& random)
    : impl_(std::make_unique<Impl>(executor, std::move(settings), core, clock, random)) {}

Gateway::~Gateway() = default;

Result<void> Gateway::open() {
  TRY(keys, AccessKeys::open(impl_->settings.folder, impl_->context.random));
  impl_->keys = std::move(keys);
  CHECK_OK(impl_->prepare_library());
  CHECK_OK(impl_->listen());
  log::info("ssh gateway ready",
            {{"ssh_port", port()}, {"host_key_fingerprint", impl_->keys.fingerprint()}});
  return {};
}

// The library must not look into this machine's own SSH settings.
Result<void> Gateway::Impl::prepare_library() {
  ssh_set_log_level(SSH_LOG_NOLOG);
  bind.reset(ssh_bind_new());
  const bool process_config = false;
  ssh_key host_key = ssh_key_dup(keys.host_key());
  bool done = bind && host_key != nullptr &&
              ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config) ==
                  SSH_OK &&
              ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_IMPORT_KEY, host_key) == SSH_OK;
  done = done && set_option(bind.get(), SSH_BIND_OPTIONS_KEY_EXCHANGE, kKeyExchanges) &&
         set_option(bind.get(), SSH_BIND_OPTIONS_CIPHERS_C_S, kCiphers) &&
         set_option(bind.get(), SSH_BIND_OPTIONS_CIPHERS_S_C, kCiphers) &&
         set_option(bind.get(), SSH_BIND_OPTIONS_HMAC_C_S, kMacs) &&
         set_option(bind.get(), SSH_BIND_OPTIONS_HMAC_S_C, kMacs) &&
         set_option(bind.get(), SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, "ssh-ed25519") &&
         set_option(bind.get(), SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, "ssh-ed25519");
  if (done) return {};
  return fail(Code::unavailable, "the SSH gateway cannot be set up",
              bind ? ssh_get_error(bind.get()) : "");
}

Result<void> Gateway::Impl::listen() {
  boost::system::error_code ec;
  const auto address = asio::ip::make_address(settings.host, ec);
  if (ec) return fail(Code::invalid, "'" + settings.host + "' is not an IP address to listen on");
  const tcp::endpoint endpoint(address, settings.port);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (!ec) return {};
  return fail(Code::unavailable, "cannot listen for SSH on " + settings.host + ":" +
                                     std::to_string(settings.port) + ": " + ec.message());
}

Task<void> Gateway::run() {
  impl_->tasks.spawn_for_ever("ssh accept", impl_->context.clock,
                              [this] { return impl_->accept(); });
  co_await impl_->tasks.join();
  co_await impl_->context.hang_ups.join();
}

void Gateway::stop() {
  if (std::exchange(impl_->stopping, true)) return;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  for (Connection* connection : impl_->connections) {
    connection->end_with("The orchestrator is stopping; the sandbox lives on.");
  }
}

std::uint16_t Gateway::port() const {
  boost::system::error_code ec;
  const auto endpoint = impl_->acceptor.local_endpoint(ec);
  return ec ? 0 : endpoint.port();
}

Result<AccessGrant> Gateway::grant(const SandboxId& id, seconds lifetime) {
  TRY(grant, impl_->keys.grant(id, impl_->context.clock.now() + lifetime));
  grant.port = port();
  return std::move(grant);
}

std::size_t Gateway::Impl::strangers() const {
  const auto is_stranger = [](const Connection* one) { return one->is_stranger(); };
  return static_cast<std::size_t>(std::ranges::count_if(connections, is_stranger));
}

std::size_t Gateway::Impl::count_in(const SandboxId& id) const {
  const auto is_in = [&id](const Connection* one) { return one->sandbox() == id; };
  return static_cast<std::size_t>(std::ranges::count_if(connections, is_in));
}

Task<void> Gateway::Impl::accept() {
  while (!stopping) {
    auto [ec, socket] = co_await acceptor.async_accept(kAsTuple);
    if (stopping) break;
    if (ec) {
      co_await context.clock.sleep(kAcceptRetryDelay);  // no descriptor is free: some will be soon
      continue;
    }
    const auto address = socket.remote_endpoint(ec).address();
    if (ec) continue;
    Peer peer{.address = address.to_string(), .source = source_of(address)};
    if (!make_room(peer.source)) continue;  // closed without a word
    ask_after_silence(socket.native_handle());
    socket.set_option(tcp::no_delay(true), ec);
    Descriptor owned(socket.release());
    Descriptor watched(::fcntl(owned.get(), F_DUPFD_CLOEXEC, 0));
    if (!watched) continue;
    auto session = adopt(owned.release());
    if (!session) continue;
    start(*std::move(session), watched.release(), std::move(peer));
  }
}

// From here on the socket is the library's.
Result<SessionHandle> Gateway::Impl::adopt(int socket) {
  SessionHandle session(ssh_new());
  const bool process_config = false;
  if (session &&
      ssh_options_set(session.get(), SSH_OPTIONS_PROCESS_CONFIG, &process_config) == SSH_OK &&
      ssh_bind_accept_fd(bind.get(), session.get(), socket) == SSH_OK) {
    return session;
  }
  ::close(socket);
  return fail(Code::internal, "An SSH connection could not be adopted.");
}

// Before one more is taken in: where there are too many, the oldest stranger goes; but not for one
// more of its own source while it may still be about to sign in. False: there is no room.
bool Gateway::Impl::make_room(const std::string& source) {
  const bool is_full = connections.size() >= kSshConnectionsMax || strangers() >= kSshStrangersMax;
  const auto share = strangers_of(connections, source);
  if (!is_full && share.count < kSshStrangersOfSourceMax) return true;
  Connection* oldest = is_full ? oldest_of_most(connections) : share.oldest;
  if (oldest == nullptr) return false;
  const bool is_new = context.clock.uptime() - oldest->since() < kSshStrangerGrace;
  if (is_new && oldest->source() == source) return !is_full;
  oldest->drop();
  return true;
}

void Gateway::Impl::start(SessionHandle session, int watched, Peer peer) {
  auto connection = std::make_unique<Connection>(
      executor, context, keys, [this](const SandboxId& id) { return count_in(id); },
      std::move(session), watched, std::move(peer));
  tasks.spawn("ssh connection", serve(std::make_unique<Place>(connections, std::move(connection))));
}

Task<void> Gateway::Impl::serve(std::unique_ptr<Place> place) {
  co_await place->connection().run();
}

}  // namespace matrx::ssh
