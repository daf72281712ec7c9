#pragma once
// Puts rules up on this host, and takes them down. With Debian's iptables, which speaks to either
// back end of the kernel: the one that Docker's own rules are in.

#include <filesystem>

#include "adapters/docker/egress_rules.hpp"
#include "adapters/docker/firewall_rules.hpp"

namespace matrx::docker {

// All of them are blocking, for a worker thread, and end after kFirewallDeadline. Safe to repeat:
// what is there is replaced or left. unavailable: no iptables, no right to use it, or the network's
// interface is not on this host (another machine's engine, or an orchestrator in a container).
// folder: takes what the programs read and say.

// What was put up, and how the kernel has shown it since: whoever takes some of it away is noticed.
struct KeptRules {
  std::string wanted, shown;  // empty: nothing yet
  bool was_missing = false;   // this time
  bool has_limits = true;     // of connections
};

// Puts the rules up, unless they are there as `before` says.
Result<KeptRules> keep_up_firewall(const FirewallPlan& plan, const KeptRules& before,
                                   const std::filesystem::path& folder);

// The chains of sandboxes with an allowlist, with those that are to be let out at once. Of a
// sandbox whose chain is there, what it has learned is kept and put into `learned`; of another one
// what is in `learned` is let pass. Chains of sandboxes that are not named are removed.
Result<KeptRules> put_up_allowlist(const AllowlistPlan& plan, std::vector<ListedSandbox>& sandboxes,
                                   const std::filesystem::path& folder);

// Whether all of that is there; `sandboxes` are those that have been let out.
Result<bool> is_allowlist_up(const AllowlistPlan& plan, const KeptRules& before,
                             const std::vector<ListedSandbox>& sandboxes,
                             const std::filesystem::path& folder);

// Lines into chains that are there, all or none of them.
Result<void> change_firewall(std::string_view lines, const std::filesystem::path& folder);

// Every rule and chain of the installation.
Result<void> take_down_firewall(std::string_view installation, const std::filesystem::path& folder);

// Of this host's resolver: those that sandboxes ask through Docker, or all that this host asks.
std::vector<std::string> host_nameservers(bool on_loopback = false);

}  // namespace matrx::docker
