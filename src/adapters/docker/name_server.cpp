#include "adapters/docker/name_server.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <charconv>

#include "adapters/docker/firewall.hpp"
#include "adapters/docker/limits.hpp"
#include "async/as_tuple.hpp"
#include "async/race.hpp"
#include "base/log.hpp"

namespace matrx::docker {
namespace {

constexpr std::uint16_t kPort = 53;
constexpr auto kLook = std::chrono::hours(1);  // the gate tells when there is something to see

// Sandboxes have no IPv6, and what HTTPS records hint at would be refused.
bool leads_nowhere(std::uint16_t type) {
  return type == kDnsTypeAaaa || type == kDnsTypeHttps || type == kDnsTypeSvcb ||
         type == kDnsTypeAny;
}

Result<asio::ip::udp::endpoint> to_endpoint(std::string_view text) {
  const auto colon = text.find(':');
  std::uint16_t port = kPort;
  if (colon != std::string_view::npos) {
    const auto digits = text.substr(colon + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (ec != std::errc() || end != digits.data() + digits.size()) {
      return fail(Code::invalid, "not a port");
    }
  }
  boost::system::error_code ec;
  const auto address = asio::ip::make_address_v4(std::string(text.substr(0, colon)), ec);
  if (ec) return fail(Code::invalid, "not an address");
  return asio::ip::udp::endpoint(address, port);
}

}  // namespace

bool is_name_server(std::string_view text) { return to_endpoint(text).has_value(); }

Task<void> NameServer::run() {
  for (;;) {
    while (gate_.gateway().empty()) co_await gate_.changed().wait(kLook);
    co_await serve(gate_.gateway());
    if (socket_) continue;
    co_await gate_.changed().wait(kNameServerRetry);
  }
}

// Returns when it cannot listen there, or when the gate has moved.
Task<void> NameServer::serve(std::string address) {
  boost::system::error_code ec;
  const auto host = asio::ip::make_address_v4(address, ec);
  Udp::socket socket(executor_);
  if (!ec) socket.open(Udp::v4(), ec);
  if (!ec) socket.bind({host, kPort}, ec);
  if (ec) {
    socket_.reset();
    const std::string problem = "cannot listen on " + address + " port 53: " + ec.message();
    warn("no name server for allowlists", Error{Code::unavailable, problem, {}});
    gate_.tell_name_server(problem);
    co_return;
  }
  socket_.emplace(std::move(socket));
  log::info("name server for allowlists", {{"address", address}});
  gate_.tell_name_server("");
  (void)co_await race(receive(*socket_), wait_for_move(address));
  gate_.tell_name_server("it moves to another address");
}

// Until the network's gateway has another address.
Task<void> NameServer::wait_for_move(std::string address) {
  while (gate_.gateway() == address) co_await gate_.changed().wait(kLook);
}

Task<void> NameServer::join() {
  queries_.cancel();
  co_await queries_.join();
  socket_.reset();
}

Task<void> NameServer::receive(Udp::socket& socket) {
  std::array<char, kDnsMessageBytesMax> buffer;
  for (;;) {
    Udp::endpoint from;
    const auto [ec, count] =
        co_await socket.async_receive_from(asio::buffer(buffer), from, kAsTuple);
    if (ec == asio::error::operation_aborted) co_return;
    if (ec) {
      log::debug("name server", {{"error", ec.message()}});
      co_await clock_.sleep(kNamePause);
      continue;
    }
    if (queries_.size() >= kNameQueriesMax) continue;
    const auto known = asking_.find(from.address());
    if (known != asking_.end() && known->second >= kNameQueriesOfOneMax) continue;
    queries_.spawn("name query", answer(std::string(buffer.data(), count), from));
  }
}

Task<void> NameServer::answer(std::string query, Udp::endpoint from) {
  struct Place {
    std::map<asio::ip::address, std::size_t>& counts;
    asio::ip::address address;
    ~Place() {
      if (--counts[address] == 0) counts.erase(address);
    }
  };
  ++asking_[from.address()];
  const Place place{asking_, from.address()};
  const std::string reply = co_await reply_to(query, from.address().to_string());
  if (reply.empty() || !socket_) co_return;
  (void)co_await socket_->async_send_to(asio::buffer(reply), from, kAsTuple);
}

// Empty: nothing is said to nonsense.
Task<std::string> NameServer::reply_to(const std::string& query, std::string from) {
  const auto question = read_dns_question(query);
  if (!question) co_return "";
  const ListedSandbox* sandbox = gate_.find(from);
  if (sandbox == nullptr) co_return write_dns_reply(query, *question, DnsCode::refused);
  const SandboxId id = sandbox->id;
  if (!allows_name(sandbox->list, question->name)) {
    log::debug("name not allowed", {{"sandbox_id", id.text()}, {"name", question->name}});
    co_return write_dns_reply(query, *question, DnsCode::no_such_name);
  }
  if (leads_nowhere(question->type)) co_return write_dns_reply(query, *question, DnsCode::no_error);
  auto told = co_await ask(query, *question);
  if (told && question->type == kDnsTypeA) {
    auto& addresses = told->answer.addresses;
    if (addresses.empty()) co_return write_dns_reply(query, *question, told->answer.code);
    addresses.resize(std::min(addresses.size(), dns_addresses_that_fit(*question)));
    const auto learned = co_await gate_.learn(id, addresses);
    if (learned) co_return write_dns_addresses(query, *question, addresses, kNameTtlSeconds);
    told = std::unexpected(learned.error());
  }
  if (told) co_return std::move(told->packet);
  warn("name not resolved: " + question->name, told.error());
  co_return write_dns_reply(query, *question, DnsCode::server_failure);
}

// At most one line in a while: sandboxes ask as often as they like.
void NameServer::warn(std::string_view what, const Error& error) {
  const auto now = clock_.uptime();
  const bool is_due = !warned_at_ || now - *warned_at_ >= kNameWarnPause;
  if (is_due) warned_at_ = now;
  if (is_due) {
    log::warning(what, {{"error", error.message}, {"internal", error.internal}});
  } else {
    log::debug(what, {{"error", error.message}, {"internal", error.internal}});
  }
}

Task<Result<NameServer::Told>> NameServer::ask(const std::string& query,
                                               const DnsQuestion& question) {
  std::array<unsigned char, 2> chance{};
  random_.fill(chance);
  DnsQuestion ours = question;
  ours.id = static_cast<std::uint16_t>(chance[0] << 8U | chance[1]);
  // Of addresses we make an answer of our own; others are handed on, and have to fit as they are.
  const auto bytes_max = question.type == kDnsTypeA ? kNameAnswerBytes : kDnsPlainBytesMax;
  const std::string packet = write_dns_query(query, ours, bytes_max);
  std::vector<std::string> upstreams = upstreams_;
  if (upstreams.empty()) upstreams = host_nameservers(true);
  if (upstreams.size() > kNameTriesMax) upstreams.resize(kNameTriesMax);
  Result<Told> told = fail(Code::unavailable, "this host has no name server");
  for (const std::string& upstream : upstreams) {
    told =
        co_await within(clock_, kNameDeadline, "the name server", ask_one(upstream, packet, ours));
    if (!told) continue;
    told->packet = with_dns_id(told->packet, question.id);
    break;
  }
  co_return told;
}

// From a port of its own, which takes packets of that server only.
Task<Result<NameServer::Told>> NameServer::ask_one(std::string upstream, std::string packet,
                                                   const DnsQuestion& question) {
  CO_TRY(server, to_endpoint(upstream));
  Udp::socket line(executor_);
  boost::system::error_code ec;
  line.open(Udp::v4(), ec);
  if (!ec) line.connect(server, ec);
  if (ec) co_return fail(Code::unavailable, "cannot ask " + upstream, ec.message());
  const auto [unsent, sent] = co_await line.async_send(asio::buffer(packet), kAsTuple);
  if (unsent) co_return fail(Code::unavailable, "cannot ask " + upstream, unsent.message());
  std::string said(kDnsMessageBytesMax, '\0');
  for (;;) {  // what answers something else is not it: our caller's deadline ends this
    const auto [unheard, count] = co_await line.async_receive(asio::buffer(said), kAsTuple);
    if (unheard) co_return fail(Code::unavailable, "cannot ask " + upstream, unheard.message());
    const std::string_view message = std::string_view(said).substr(0, count);
    auto answer = read_dns_answer(message, question, question.id);
    if (answer) co_return Told{std::string(message), *std::move(answer)};
  }
}

}  // namespace matrx::docker
