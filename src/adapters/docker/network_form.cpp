#include "adapters/docker/network_form.hpp"

#include <fmt/format.h>

#include "adapters/docker/docker_messages.hpp"
#include "wire/json.hpp"

namespace matrx::docker {
namespace {

constexpr const char* kReachEachOther = "com.docker.network.bridge.enable_icc";
constexpr const char* kHideAddresses = "com.docker.network.bridge.enable_ip_masquerade";
constexpr const char* kGatewayMode = "com.docker.network.bridge.gateway_mode_ipv4";

// Of an option that the engine takes as on where it is not named.
bool is_off(const json::object* options, const char* name) {
  return options != nullptr && json::text_at(*options, name) == "false";
}

}  // namespace

std::string network_body(std::string_view name, std::string_view installation, NetworkKind kind) {
  json::object options{{kReachEachOther, "false"}};
  if (kind == NetworkKind::allowlist) options[kHideAddresses] = "false";
  json::object body;
  body["Name"] = name;
  body["Driver"] = "bridge";
  body["CheckDuplicate"] = true;
  body["EnableIPv6"] = false;  // a daemon may have it as its default, and no rule is for it
  body["Options"] = std::move(options);
  body["Labels"] = json::object{{kInstallationLabel, installation}};
  return json::serialize(body);
}

std::string network_problem(std::string_view shown, std::string_view installation,
                            NetworkKind kind) {
  const auto parsed = json::parse(shown);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  if (root == nullptr) return "cannot be read";
  const std::string owner = read_network_owner(shown);
  // Several installations may share an open one: each hangs its own rules on the bridge.
  if (owner.empty()) return "was not made by an orchestrator";
  if (kind == NetworkKind::allowlist && owner != installation) {
    return "belongs to another installation on this host, whose rules guard it";
  }
  const auto driver = json::text_at(*root, "Driver");
  if (driver != "bridge") return fmt::format("is no bridge (its driver is '{}')", driver);
  if (json::flag_at(*root, "EnableIPv6")) return "has IPv6, for which there are no rules";
  if (json::flag_at(*root, "Internal")) return "is internal: it has no way out";
  const json::object* options = json::object_at(*root, "Options");
  if (!is_off(options, kReachEachOther)) return "lets sandboxes reach each other (enable_icc)";
  if (kind == NetworkKind::allowlist && !is_off(options, kHideAddresses)) {
    return "lets sandboxes out without our rules (enable_ip_masquerade)";
  }
  const auto mode = json::text_at(*options, kGatewayMode);
  if (!mode.empty() && mode != "nat") return fmt::format("is no network with NAT ('{}')", mode);
  return "";
}

std::string read_network_owner(std::string_view shown) {
  const auto parsed = json::parse(shown);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  const json::object* labels = root ? json::object_at(*root, "Labels") : nullptr;
  return labels ? std::string(json::text_at(*labels, kInstallationLabel)) : std::string();
}

}  // namespace matrx::docker
