#include "adapters/docker/firewall_rules.hpp"

#include <fmt/format.h>

#include "adapters/docker/docker_messages.hpp"
#include "adapters/docker/limits.hpp"
#include "base/ipv4.hpp"
#include "base/text.hpp"
#include "wire/json.hpp"

namespace matrx::docker {
namespace {

constexpr std::size_t kNamePartChars = 20;  // a chain's name has at most 28

// Refused, not dropped: who tries learns it at once instead of waiting.
constexpr std::string_view kRefuse = "-j REJECT --reject-with icmp-admin-prohibited";

// What both chains let pass before they refuse.
std::string exceptions(const FirewallPlan& plan, std::string_view chain) {
  std::string text = let_answers_pass(chain);
  if (plan.has_limits) text += limit_connections(chain);
  for (const auto& server : plan.nameservers) {
    for (const std::string_view protocol : {"udp", "tcp"}) {
      text += fmt::format("-A {} -d {} -p {} --dport 53 -j RETURN\n", chain, server, protocol);
    }
  }
  for (const auto& range : plan.allowed) {
    text += fmt::format("-A {} -d {} -j RETURN\n", chain, range);
  }
  return text;
}

// Empty where there is none of IPv4.
std::string read_gateway(const json::object& network) {
  const json::object* addresses = json::object_at(network, "IPAM");
  const json::array* configs = addresses ? json::array_at(*addresses, "Config") : nullptr;
  if (configs == nullptr) return "";
  for (const json::value& config : *configs) {
    if (!config.is_object()) continue;
    const auto gateway = json::text_at(config.get_object(), "Gateway");
    if (is_ipv4_address(gateway)) return std::string(gateway);
  }
  return "";
}

}  // namespace

std::string chain_name(std::string_view kind, std::string_view owner) {
  std::string part;
  for (const char c : owner) {
    if (part.size() == kNamePartChars) break;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) part += c;
  }
  return fmt::format("MATRX-{}-{}", kind, part);
}

std::string filter_table(std::string_view lines) {
  return fmt::format("*filter\n{}COMMIT\n", lines);
}

std::string let_answers_pass(std::string_view chain) {
  return fmt::format("-A {} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n", chain);
}

std::string refuse(std::string_view chain, std::string_view range) {
  return range.empty() ? fmt::format("-A {} {}\n", chain, kRefuse)
                       : fmt::format("-A {} -d {} {}\n", chain, range, kRefuse);
}

// Both beside each other: a flood is cut by the first, which costs little; what comes slowly, by
// the second, which looks through all that there is.
std::string limit_connections(std::string_view chain) {
  const std::string new_ones = fmt::format("-A {} -m conntrack --ctstate NEW", chain);
  return fmt::format(
      "{0} -m hashlimit --hashlimit-above {1}/sec --hashlimit-burst {2} --hashlimit-mode srcip "
      "--hashlimit-name matrx {4}\n"
      "{0} -m connlimit --connlimit-above {3} --connlimit-mask 32 --connlimit-saddr {4}\n",
      new_ones, kNewConnectionsPerSecond, kNewConnectionsBurst, kConnectionsMax, kRefuse);
}

// What is no address of the public internet, or leads into the host's own networks (RFC 6890).
// 169.254.0.0/16 holds the cloud's metadata service, 100.64.0.0/10 other clouds' and overlays.
// 168.63.129.16 is public by its number only: behind it each host of Azure has its own platform's
// services, with its settings and certificates; where it is the name server, port 53 stays open.
const std::vector<std::string>& private_ranges() {
  static const std::vector<std::string> ranges = {
      "0.0.0.0/8",        "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",
      "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
      "192.168.0.0/16",   "198.18.0.0/15",  "224.0.0.0/4",   "240.0.0.0/4"};
  return ranges;
}

std::string forward_chain(std::string_view installation) { return chain_name("F", installation); }
std::string input_chain(std::string_view installation) { return chain_name("I", installation); }

std::string firewall_lines(const FirewallPlan& plan) {
  const std::string forward = forward_chain(plan.installation);
  const std::string input = input_chain(plan.installation);
  std::string lines = fmt::format(":{} - [0:0]\n:{} - [0:0]\n", forward, input);
  lines += exceptions(plan, forward);
  for (const auto& range : private_ranges()) lines += refuse(forward, range);
  lines += exceptions(plan, input);
  lines += refuse(input);  // nothing of the host is for sandboxes
  return lines;
}

std::vector<FirewallJump> firewall_jumps(std::string_view installation) {
  return {{.from = "DOCKER-USER", .to = forward_chain(installation)},
          {.from = "INPUT", .to = input_chain(installation)}};
}

std::vector<std::string> parse_nameservers(std::string_view resolv_conf, bool on_loopback) {
  constexpr std::string_view kWord = "nameserver";
  std::vector<std::string> found;
  for (const std::string_view line : split(resolv_conf, '\n')) {
    const std::string_view text = trim(line);
    if (!text.starts_with(kWord) || found.size() == kNameserversMax) continue;
    const std::string_view address = trim(text.substr(kWord.size()));
    if (!is_ipv4_address(address)) continue;
    if (on_loopback || !address.starts_with("127.")) found.emplace_back(address);
  }
  return found;
}

Result<Bridge> read_bridge(std::string_view body) {
  constexpr std::size_t kShortIdChars = 12;
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  Bridge bridge;
  if (root != nullptr) {
    if (const json::object* options = json::object_at(*root, "Options")) {
      bridge.interface = json::text_at(*options, "com.docker.network.bridge.name");
    }
    const auto id = json::text_at(*root, "Id");
    if (bridge.interface.empty() && id.size() >= kShortIdChars) {
      bridge.interface = "br-" + std::string(id.substr(0, kShortIdChars));
    }
    bridge.gateway = read_gateway(*root);
  }
  if (!bridge.interface.empty()) return bridge;
  return fail(Code::internal, "The container engine sent an answer that we do not understand.",
              "a network without an Id");
}

}  // namespace matrx::docker
