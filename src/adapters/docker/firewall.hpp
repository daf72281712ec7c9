#pragma once
// Puts the rules of firewall_rules.hpp up on this host. With Debian's iptables, which speaks to
// either back end of the kernel: the one that Docker's own rules are in.

#include <filesystem>

#include "adapters/docker/firewall_rules.hpp"

namespace matrx::docker {

// Blocking, for a worker thread; ends after kFirewallDeadline. Safe to repeat: what is there is
// replaced or left. unavailable: no iptables, no right to use it, or the network's interface is
// not on this host (another machine's engine, or an orchestrator in a container).
Result<void> put_up_firewall(const FirewallPlan& plan, const std::filesystem::path& folder);

// Of this host's resolver, as Docker reads it.
std::vector<std::string> host_nameservers();

}  // namespace matrx::docker
