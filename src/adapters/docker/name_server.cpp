#include "adapters/docker/name_server.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <charconv>

#include "adapters/docker/firewall.hpp"
#include "adapters/docker/limits.hpp"
#include "base/log.hpp"

namespace matrx::docker {
namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
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

// Every answer to a question about addresses fits with some of them: who asks over UDP need not
// ask again over TCP, where nobody listens.
void clear_truncated(std::string& packet) {
  constexpr std::size_t kFlagsAt = 2;
  constexpr unsigned kTruncated = 0x02;
  packet[kFlagsAt] = static_cast<char>(static_cast<unsigned char>(packet[kFlagsAt]) & ~kTruncated);
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
    log::warning("no name server for allowlists", {{"error", problem}});
    gate_.tell_name_server(problem);
    co_return;
  }
  socket_.emplace(std::move(socket));
  log::info("name server for allowlists", {{"address", address}});
  gate_.tell_name_server("");
  using namespace asio::experimental::awaitable_operators;
  co_await (receive(*socket_) || [](NameServer& self, std::string at) -> Task<void> {
    while (self.gate_.gateway() == at) co_await self.gate_.changed().wait(kLook);
  }(*this, address));
  gate_.tell_name_server("it moves to another address");
  queries_.cancel();
  co_await queries_.join();
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
  if (told && !told->answer.addresses.empty()) {
    if (told->answer.is_truncated) clear_truncated(told->packet);
    const auto learned = co_await gate_.learn(id, std::move(told->answer.addresses));
    if (!learned) told = std::unexpected(learned.error());
  }
  if (told) co_return std::move(told->packet);
  log::warning("name not resolved", {{"sandbox_id", id.text()},
                                     {"name", question->name},
                                     {"error", told.error().message},
                                     {"internal", told.error().internal}});
  co_return write_dns_reply(query, *question, DnsCode::server_failure);
}

Task<Result<NameServer::Told>> NameServer::ask(const std::string& query,
                                               const DnsQuestion& question) {
  std::array<unsigned char, 2> chance{};
  random_.fill(chance);
  const auto id = static_cast<std::uint16_t>(chance[0] << 8U | chance[1]);
  const std::string packet = with_dns_id(write_dns_query(query, question), id);
  std::vector<std::string> upstreams = upstreams_;
  if (upstreams.empty()) upstreams = host_nameservers(true);
  if (upstreams.size() > kNameTriesMax) upstreams.resize(kNameTriesMax);
  Result<Told> told = fail(Code::unavailable, "this host has no name server");
  for (const std::string& upstream : upstreams) {
    auto said =
        co_await within(clock_, kNameDeadline, "the name server", ask_one(upstream, packet));
    if (!said) {
      told = std::unexpected(said.error());
      continue;
    }
    auto answer = read_dns_answer(*said, question, id);
    if (answer) co_return Told{with_dns_id(*said, question.id), *std::move(answer)};
    told = std::unexpected(answer.error());
  }
  co_return told;
}

// From a port of its own, which takes answers of that server only.
Task<Result<std::string>> NameServer::ask_one(std::string upstream, std::string packet) {
  CO_TRY(server, to_endpoint(upstream));
  Udp::socket line(executor_);
  boost::system::error_code ec;
  line.open(Udp::v4(), ec);
  if (!ec) line.connect(server, ec);
  if (ec) co_return fail(Code::unavailable, "cannot ask " + upstream + ": " + ec.message());
  const auto [unsent, sent] = co_await line.async_send(asio::buffer(packet), kAsTuple);
  std::string answer(kDnsMessageBytesMax, '\0');
  const auto [unheard, count] = co_await line.async_receive(asio::buffer(answer), kAsTuple);
  if (unsent || unheard) {
    co_return fail(Code::unavailable, "cannot ask " + upstream + ": " + unheard.message());
  }
  answer.resize(count);
  co_return answer;
}

}  // namespace matrx::docker
