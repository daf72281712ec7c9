#include "adapters/docker/network_form.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/json.hpp"

namespace matrx::docker {
namespace {

using testing::HasSubstr;

// As the engine shows what it was asked to make, with a change.
std::string shown(NetworkKind kind, std::string_view field = {}, const json::value& value = {},
                  std::string_view below = {}) {
  json::object body = json::parse(network_body("net", "inst-1", kind)).value().as_object();
  body["Internal"] = false;
  json::object& place = below.empty() ? body : body.at(below).as_object();
  if (!field.empty()) place[field] = value;
  return json::serialize(body);
}

TEST(NetworkForm, TurnsTrafficBetweenContainersAndIpv6Off) {
  for (const NetworkKind kind : {NetworkKind::open, NetworkKind::allowlist}) {
    const auto body = json::parse(network_body("net", "inst-1", kind)).value();
    EXPECT_EQ(body.at("Options").at("com.docker.network.bridge.enable_icc"), "false");
    EXPECT_EQ(body.at("EnableIPv6"), false);
    EXPECT_EQ(body.at("Driver"), "bridge");
  }
}

// Without our rules no answer finds its way back to a sandbox with an allowlist.
TEST(NetworkForm, AnAllowlistsNetworkIsClosedByItself) {
  const char* name = "com.docker.network.bridge.enable_ip_masquerade";
  const auto options = [](NetworkKind kind) {
    return json::parse(network_body("net", "inst-1", kind)).value().at("Options").as_object();
  };
  EXPECT_EQ(options(NetworkKind::allowlist).at(name), "false");
  EXPECT_FALSE(options(NetworkKind::open).contains(name));
}

TEST(NetworkForm, WhatWasAskedForIsTaken) {
  for (const NetworkKind kind : {NetworkKind::open, NetworkKind::allowlist}) {
    EXPECT_EQ(network_problem(shown(kind), "inst-1", kind), "");
  }
  // Several installations share an open one; each has rules of its own on it.
  EXPECT_EQ(network_problem(shown(NetworkKind::open), "inst-2", NetworkKind::open), "");
}

TEST(NetworkForm, WhatWasNotAskedForIsNamed) {
  const std::string bridge = "com.docker.network.bridge.";
  for (const NetworkKind kind : {NetworkKind::open, NetworkKind::allowlist}) {
    const auto problem = [kind](std::string_view field, const json::value& value,
                                std::string_view below = {}) {
      return network_problem(shown(kind, field, value, below), "inst-1", kind);
    };
    EXPECT_THAT(problem("Driver", "macvlan"), HasSubstr("macvlan"));
    EXPECT_THAT(problem("EnableIPv6", true), HasSubstr("IPv6"));
    EXPECT_THAT(problem("Internal", true), HasSubstr("internal"));
    EXPECT_THAT(problem(bridge + "enable_icc", "true", "Options"), HasSubstr("enable_icc"));
    EXPECT_THAT(problem("Options", nullptr), HasSubstr("enable_icc"));
    EXPECT_THAT(problem(bridge + "gateway_mode_ipv4", "routed", "Options"), HasSubstr("routed"));
    EXPECT_EQ(problem(bridge + "gateway_mode_ipv4", "nat", "Options"), "");
    EXPECT_NE(problem("Labels", json::object()), "");
    EXPECT_NE(problem("Labels", nullptr), "");
  }
  EXPECT_THAT(network_problem(shown(NetworkKind::allowlist), "inst-2", NetworkKind::allowlist),
              HasSubstr("another installation"));
  EXPECT_THAT(network_problem(shown(NetworkKind::open), "inst-1", NetworkKind::allowlist),
              HasSubstr("enable_ip_masquerade"));
  for (const char* text : {"", "[]", "7"}) {
    EXPECT_NE(network_problem(text, "inst-1", NetworkKind::open), "") << text;
  }
}

}  // namespace
}  // namespace matrx::docker
