#pragma once
// What packets of sandboxes may go where, as rules of iptables. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace matrx::docker {

struct FirewallPlan {
  std::string installation;
  std::string bridge;                    // the network's interface on the host
  std::vector<std::string> nameservers;  // IPv4, what Docker's resolver asks for sandboxes
  std::vector<std::string> allowed;      // CIDRs that are reached although they are private
  bool has_limits = true;                // of connections: not every kernel can count them
};

// One chain for what the host passes on, one for what is meant for the host itself. Of each
// installation its own, so that several share a host.
std::string forward_chain(std::string_view installation);
std::string input_chain(std::string_view installation);

// Both chains, as lines for filter_table().
std::string firewall_lines(const FirewallPlan& plan);

// The parts that all our chains are made of.
std::string chain_name(std::string_view kind, std::string_view owner);  // "MATRX-<kind>-<owner>"
// For iptables-restore --noflush: chains that the lines begin with ":" are replaced as a whole, all
// else is left alone.
std::string filter_table(std::string_view lines);
// New connections of one source address: how many at once, and in a second.
std::string limit_connections(std::string_view chain);
std::string let_answers_pass(std::string_view chain);  // of what was let out before
std::string refuse(std::string_view chain, std::string_view range = {});  // or all that is left
const std::vector<std::string>& private_ranges();

// Where packets come into our chains: {chain of the host, ours}. DOCKER-USER is Docker's place for
// such rules, which it never changes.
struct FirewallJump {
  std::string from, to;
  bool is_nat = false;  // of the table nat, where packets leave: whatever bridge they come from
};
std::vector<FirewallJump> firewall_jumps(std::string_view installation);

// The IPv4 nameservers of a resolv.conf. A container asks those that are not on loopback itself;
// the others Docker asks for it.
std::vector<std::string> parse_nameservers(std::string_view resolv_conf, bool on_loopback = false);

// A network's interface on the host, and the host's address on it.
struct Bridge {
  std::string interface, gateway;
};
// From GET /networks/{name}. internal: not what we know.
Result<Bridge> read_bridge(std::string_view body);

}  // namespace matrx::docker
