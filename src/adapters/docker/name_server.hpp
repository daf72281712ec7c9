#pragma once
// Resolves for sandboxes with an allowlist the names that their lists allow, and lets them out to
// what these names lead to. Everything else does not exist for them: so no data leaves in names.

#include <boost/asio/ip/udp.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/docker/dns_message.hpp"
#include "adapters/docker/egress_gate.hpp"
#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "base/random.hpp"

namespace matrx::docker {

// "address" or "address:port" of IPv4.
bool is_name_server(std::string_view text);

class NameServer {
 public:
  // upstreams: is_name_server(); none: whom this host asks. gate outlives it.
  NameServer(Executor executor, EgressGate& gate, std::vector<std::string> upstreams, Clock& clock,
             Random& random)
      : executor_(executor),
        gate_(gate),
        upstreams_(std::move(upstreams)),
        clock_(clock),
        random_(random),
        queries_(executor) {}

  // Until it is cancelled: listens on the gate's address, tries again where it cannot.
  Task<void> run();
  // Afterwards: returns when no query is being answered any more.
  Task<void> join();

 private:
  using Udp = asio::ip::udp;

  Task<void> serve(std::string address);
  Task<void> receive(Udp::socket& socket);
  Task<void> wait_for_move(std::string address);
  Task<void> answer(std::string query, Udp::endpoint from);
  Task<std::string> reply_to(const std::string& query, std::string from);
  struct Told {
    std::string packet;  // under the question's own id
    DnsAnswer answer;
  };
  Task<Result<Told>> ask(const std::string& query, const DnsQuestion& question);
  Task<Result<Told>> ask_one(std::string upstream, std::string packet, const DnsQuestion& question);
  void warn(std::string_view what, const Error& error);

  Executor executor_;
  EgressGate& gate_;
  std::vector<std::string> upstreams_;
  Clock& clock_;
  Random& random_;
  std::optional<Udp::socket> socket_;
  std::map<asio::ip::address, std::size_t> asking_;  // queries being answered
  std::optional<milliseconds> warned_at_;
  TaskGroup queries_;
};

}  // namespace matrx::docker
