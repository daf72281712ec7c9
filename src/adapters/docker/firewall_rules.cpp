#include "adapters/docker/firewall_rules.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "adapters/docker/docker_messages.hpp"
#include "adapters/docker/limits.hpp"
#include "base/text.hpp"
#include "wire/json.hpp"

namespace matrx::docker {
namespace {

constexpr std::size_t kNamePartChars = 20;  // a chain's name has at most 28

// What is no address of the public internet, or leads into the host's own networks (RFC 6890).
// 169.254.0.0/16 holds the cloud's metadata service, 100.64.0.0/10 other clouds' and overlays.
constexpr auto kRefusedRanges = std::to_array<std::string_view>(
    {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
     "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"});

// Refused, not dropped: who tries learns it at once instead of waiting.
constexpr std::string_view kRefuse = "-j REJECT --reject-with icmp-admin-prohibited";
constexpr std::string_view kAnswers = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN";

std::string chain_name(std::string_view kind, std::string_view installation) {
  std::string part;
  for (const char c : installation) {
    if (part.size() == kNamePartChars) break;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) part += c;
  }
  return fmt::format("MATRX-{}-{}", kind, part);
}

bool is_ipv4_address(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (const std::string_view part : parts) {
    int number = -1;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (ec != std::errc() || end != part.data() + part.size() || part.size() > 3) return false;
    if (number < 0 || number > 255) return false;
  }
  return true;
}

// What both chains let pass before they refuse.
std::string exceptions(const FirewallPlan& plan, std::string_view chain) {
  std::string text = fmt::format("-A {} {}\n", chain, kAnswers);
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

}  // namespace

std::string forward_chain(std::string_view installation) { return chain_name("F", installation); }
std::string input_chain(std::string_view installation) { return chain_name("I", installation); }

std::string firewall_rules(const FirewallPlan& plan) {
  const std::string forward = forward_chain(plan.installation);
  const std::string input = input_chain(plan.installation);
  std::string text = fmt::format("*filter\n:{} - [0:0]\n:{} - [0:0]\n", forward, input);
  text += exceptions(plan, forward);
  for (const std::string_view range : kRefusedRanges) {
    text += fmt::format("-A {} -d {} {}\n", forward, range, kRefuse);
  }
  text += exceptions(plan, input);
  text += fmt::format("-A {} {}\n", input, kRefuse);  // nothing of the host is for sandboxes
  return text + "COMMIT\n";
}

std::vector<FirewallJump> firewall_jumps(std::string_view installation) {
  return {{.from = "DOCKER-USER", .to = forward_chain(installation)},
          {.from = "INPUT", .to = input_chain(installation)}};
}

bool is_ipv4_range(std::string_view text) {
  const auto slash = text.find('/');
  if (!is_ipv4_address(text.substr(0, slash))) return false;
  if (slash == std::string_view::npos) return true;
  const std::string_view length = text.substr(slash + 1);
  int bits = -1;
  const auto [end, ec] = std::from_chars(length.data(), length.data() + length.size(), bits);
  return ec == std::errc() && end == length.data() + length.size() && bits >= 0 && bits <= 32;
}

std::vector<std::string> parse_nameservers(std::string_view resolv_conf) {
  constexpr std::string_view kWord = "nameserver";
  std::vector<std::string> found;
  for (const std::string_view line : split(resolv_conf, '\n')) {
    const std::string_view text = trim(line);
    if (!text.starts_with(kWord) || found.size() == kNameserversMax) continue;
    const std::string_view address = trim(text.substr(kWord.size()));
    if (is_ipv4_address(address) && !address.starts_with("127.")) found.emplace_back(address);
  }
  return found;
}

Result<std::string> read_bridge(std::string_view body) {
  constexpr std::size_t kShortIdChars = 12;
  const auto parsed = json::parse(body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  if (root != nullptr) {
    if (const json::object* options = json::object_at(*root, "Options")) {
      std::string named(json::text_at(*options, "com.docker.network.bridge.name"));
      if (!named.empty()) return named;
    }
    const auto id = json::text_at(*root, "Id");
    if (id.size() >= kShortIdChars) return "br-" + std::string(id.substr(0, kShortIdChars));
  }
  return fail(Code::internal, "The container engine sent an answer that we do not understand.",
              "a network without an Id");
}

}  // namespace matrx::docker
