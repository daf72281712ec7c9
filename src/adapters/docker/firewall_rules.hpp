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
};

// One chain for what the host passes on, one for what is meant for the host itself. Of each
// installation its own, so that several share a host.
std::string forward_chain(std::string_view installation);
std::string input_chain(std::string_view installation);

// Both chains as iptables-restore takes them: replaced as a whole, all else left alone.
std::string firewall_rules(const FirewallPlan& plan);

// Where packets come into our chains: {chain of the host, ours}. DOCKER-USER is Docker's place for
// such rules, which it never changes.
struct FirewallJump {
  std::string from, to;
};
std::vector<FirewallJump> firewall_jumps(std::string_view installation);

// "a.b.c.d" or "a.b.c.d/n" of IPv4.
bool is_ipv4_range(std::string_view text);

// The IPv4 nameservers of a resolv.conf that a container asks itself: not those on loopback, which
// Docker asks for it.
std::vector<std::string> parse_nameservers(std::string_view resolv_conf);

// The interface of a network, from GET /networks/{name}. internal: not what we know.
Result<std::string> read_bridge(std::string_view body);

}  // namespace matrx::docker
