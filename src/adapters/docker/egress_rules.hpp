#pragma once
// What sandboxes with an allowlist may reach, as rules of iptables. Pure.
//
// They are on a network of their own. Their packets pass through these chains of an installation:
//   MATRX-A-…  from DOCKER-USER: answers pass, private ranges are refused, the rest is looked at
//   MATRX-S-…  one line per sandbox, by its address; who is not there is refused
//   MATRX-E-…  of one sandbox: what its list names, then nothing
//   MATRX-N-…  from INPUT: of the host the name server, and nothing else
//   MATRX-P-…  from POSTROUTING of the table nat: what has come through MATRX-A-… gets the host's
//              address. The network itself gives nobody one: where somebody takes our rules away,
//              no answer finds its way back.
// A chain that says RETURN lets a packet pass: sandboxes' chains are entered by "goto", so that
// this ends MATRX-A-… as well.

#include "adapters/docker/firewall_rules.hpp"
#include "model/egress.hpp"
#include "model/sandbox.hpp"

namespace matrx::docker {

struct AllowlistPlan {
  std::string installation;
  Bridge bridge;
  std::vector<std::string> allowed;  // CIDRs that a list may name although they are private
  bool has_limits = true;            // as of FirewallPlan
};

struct ListedSandbox {
  SandboxId id;
  std::string address;  // of its interface
  EgressList list;
  std::vector<std::string> learned = {};  // addresses of its domains, the newest last
};

std::string switch_chain(std::string_view installation);
std::string sandbox_chain(const SandboxId& id);

std::string way_out_chain(std::string_view installation);

// As a table of its own for iptables-restore.
std::string way_out_table(const AllowlistPlan& plan);

// Lines for filter_table().
std::string allowlist_lines(const AllowlistPlan& plan);
std::string switch_lines(std::string_view installation,
                         const std::vector<const ListedSandbox*>& sandboxes);
std::string sandbox_lines(const ListedSandbox& sandbox);
// Of chains that nothing leads to any more; also of those that are not there.
std::string removal_lines(const std::vector<std::string>& chains);

std::vector<FirewallJump> allowlist_jumps(std::string_view installation);

// Of the chains that allowlist_lines() makes.
std::vector<std::string> allowlist_chains(std::string_view installation);

// From what `iptables -S` shows of a host: whether the switch leads to these and refuses the rest,
// and whether each of them refuses what its list does not name.
bool is_each_refused_the_rest(std::string_view host, std::string_view installation,
                              const std::vector<const ListedSandbox*>& sandboxes);

// From what `iptables -S` shows of a host: the rules of one chain, where the rules of a switch lead
// to, what a sandbox's chain lets pass.
std::vector<std::string> rules_of(std::string_view host, std::string_view chain);
std::vector<std::string> read_targets(const std::vector<std::string>& rules);
std::vector<std::string> read_destinations(const std::vector<std::string>& rules);

}  // namespace matrx::docker
