#include "adapters/docker/egress_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ipv4.hpp"
#include "base/text.hpp"

namespace matrx::docker {
namespace {

// A bit of a packet's mark, which nobody else is known to use: what our chain has looked at.
constexpr std::string_view kOurs = "0x2000000/0x2000000";
constexpr std::string_view kWholeAddress = "/32";  // as iptables shows one address

std::string allowlist_chain(std::string_view installation) { return chain_name("A", installation); }
std::string host_chain(std::string_view installation) { return chain_name("N", installation); }

std::string new_chain(std::string_view chain) { return fmt::format(":{} - [0:0]\n", chain); }

std::string let_pass(std::string_view chain, std::string_view to) {
  return fmt::format("-A {} -d {} -j RETURN\n", chain, to);
}

// Not everything that belongs to a connection: one that another sandbox had with this address may
// still be known to the kernel. Nobody connects to sandboxes but this host.
std::string let_replies_pass(std::string_view chain) {
  return fmt::format("-A {} -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j RETURN\n",
                     chain);
}

// What stands behind `option` in each rule.
std::vector<std::string> words_behind(const std::vector<std::string>& rules,
                                      std::string_view option) {
  std::vector<std::string> found;
  for (const std::string& rule : rules) {
    const auto words = split(rule, ' ');
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == option) found.emplace_back(words[i + 1]);
    }
  }
  return found;
}

}  // namespace

std::string way_out_chain(std::string_view installation) { return chain_name("P", installation); }

std::vector<std::string> allowlist_chains(std::string_view installation) {
  return {allowlist_chain(installation), host_chain(installation)};
}

std::string way_out_table(const AllowlistPlan& plan) {
  const std::string chain = way_out_chain(plan.installation);
  return fmt::format(
      "*nat\n:{0} - [0:0]\n-A {0} ! -o {1} -m mark --mark {2} -j MASQUERADE\nCOMMIT\n", chain,
      plan.bridge.interface, kOurs);
}

std::string switch_chain(std::string_view installation) { return chain_name("S", installation); }
std::string sandbox_chain(const SandboxId& id) { return chain_name("E", id.text()); }

std::string allowlist_lines(const AllowlistPlan& plan) {
  const std::string forward = allowlist_chain(plan.installation);
  const std::string to_host = host_chain(plan.installation);
  const std::string by_sandbox = switch_chain(plan.installation);
  std::string lines = new_chain(forward) + new_chain(to_host) + let_replies_pass(forward);
  lines += fmt::format("-A {} -j MARK --set-xmark {}\n", forward, kOurs);
  if (plan.has_limits) lines += limit_connections(forward);
  for (const auto& range : plan.allowed) {
    lines += fmt::format("-A {} -d {} -g {}\n", forward, range, by_sandbox);
  }
  for (const auto& range : private_ranges()) lines += refuse(forward, range);
  lines += fmt::format("-A {} -g {}\n", forward, by_sandbox);
  lines += let_replies_pass(to_host);
  if (plan.has_limits) lines += limit_connections(to_host);
  // ACCEPT: what the host's own rules say about port 53 is meant for others.
  lines += fmt::format("-A {} -d {} -p udp --dport 53 -j ACCEPT\n", to_host, plan.bridge.gateway);
  return lines + refuse(to_host);
}

std::string switch_lines(std::string_view installation,
                         const std::vector<const ListedSandbox*>& sandboxes) {
  const std::string chain = switch_chain(installation);
  std::string lines = new_chain(chain);
  for (const ListedSandbox* sandbox : sandboxes) {
    lines +=
        fmt::format("-A {} -s {} -g {}\n", chain, sandbox->address, sandbox_chain(sandbox->id));
  }
  return lines + refuse(chain);
}

std::string sandbox_lines(const ListedSandbox& sandbox) {
  const std::string chain = sandbox_chain(sandbox.id);
  std::string lines = new_chain(chain);
  for (const auto& range : sandbox.list.ranges) lines += let_pass(chain, range);
  for (const auto& address : sandbox.learned) lines += let_pass(chain, address);
  return lines + refuse(chain);
}

std::string removal_lines(const std::vector<std::string>& chains) {
  std::string lines;
  for (const auto& chain : chains) lines += new_chain(chain) + fmt::format("-X {}\n", chain);
  return lines;
}

std::vector<FirewallJump> allowlist_jumps(std::string_view installation) {
  return {{.from = "DOCKER-USER", .to = allowlist_chain(installation)},
          {.from = "INPUT", .to = host_chain(installation)},
          {.from = "POSTROUTING", .to = way_out_chain(installation), .is_nat = true}};
}

bool is_each_refused_the_rest(std::string_view host, std::string_view installation,
                              const std::vector<const ListedSandbox*>& sandboxes) {
  const auto refuses_the_rest = [](const std::vector<std::string>& rules) {
    return !rules.empty() && rules.back().contains(" -j REJECT") && !rules.back().contains(" -d ");
  };
  const auto by_sandbox = rules_of(host, switch_chain(installation));
  if (!refuses_the_rest(by_sandbox)) return false;
  const std::vector<std::string> chains = read_targets(by_sandbox);
  return std::ranges::all_of(sandboxes, [&](const ListedSandbox* sandbox) {
    const std::string chain = sandbox_chain(sandbox->id);
    return std::ranges::find(chains, chain) != chains.end() &&
           refuses_the_rest(rules_of(host, chain));
  });
}

std::vector<std::string> rules_of(std::string_view host, std::string_view chain) {
  const std::string begin = fmt::format("-A {} ", chain);
  std::vector<std::string> rules;
  for (const std::string_view line : split(host, '\n')) {
    if (line.starts_with(begin)) rules.emplace_back(line);
  }
  return rules;
}

std::vector<std::string> read_targets(const std::vector<std::string>& rules) {
  return words_behind(rules, "-g");
}

std::vector<std::string> read_destinations(const std::vector<std::string>& rules) {
  std::vector<std::string> found;
  for (std::string& range : words_behind(rules, "-d")) {
    if (range.ends_with(kWholeAddress)) range.resize(range.size() - kWholeAddress.size());
    if (is_ipv4_range(range)) found.push_back(std::move(range));
  }
  return found;
}

}  // namespace matrx::docker
