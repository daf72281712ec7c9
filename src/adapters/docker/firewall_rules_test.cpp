#include "adapters/docker/firewall_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrx::docker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

FirewallPlan a_firewall() {
  return {.installation = "1f2e3d4c-5b6a-7988",
          .bridge = "br-0123456789ab",
          .nameservers = {"10.0.0.2"},
          .allowed = {"10.9.0.0/16"}};
}

TEST(FirewallRules, RefuseTheMetadataServiceAndPrivateRanges) {
  const std::string rules = filter_table(firewall_lines(a_firewall()));
  for (const char* range : {"169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                            "100.64.0.0/10", "127.0.0.0/8"}) {
    EXPECT_THAT(rules,
                HasSubstr(std::string("-A MATRX-F-1f2e3d4c5b6a7988 -d ") + range + " -j REJECT"));
  }
}

// Public by its number, and each Azure host's own platform by its meaning.
TEST(FirewallRules, ThePlatformsAddressIsRefusedButAsANameServer) {
  FirewallPlan plan = a_firewall();
  const std::string refused = "-A MATRX-F-1f2e3d4c5b6a7988 -d 168.63.129.16/32 -j REJECT";
  EXPECT_THAT(firewall_lines(plan), HasSubstr(refused));
  plan.nameservers = {"168.63.129.16"};
  const std::string rules = firewall_lines(plan);
  EXPECT_LT(rules.find("-d 168.63.129.16 -p udp --dport 53 -j RETURN"), rules.find(refused));
}

// The kernel's table of connections is the host's and everybody's.
TEST(FirewallRules, ConnectionsOfOneSandboxAreCounted) {
  FirewallPlan plan = a_firewall();
  for (const std::string chain : {"MATRX-F-1f2e3d4c5b6a7988", "MATRX-I-1f2e3d4c5b6a7988"}) {
    const std::string rules = firewall_lines(plan);
    const auto at_once = rules.find("-A " + chain +
                                    " -m conntrack --ctstate NEW -m connlimit --connlimit-above "
                                    "4096 --connlimit-mask 32 --connlimit-saddr -j REJECT");
    EXPECT_NE(at_once, std::string::npos) << chain;
    EXPECT_THAT(rules, HasSubstr("-A " + chain + " -m conntrack --ctstate NEW -m hashlimit"));
    // Also of what is let pass as an exception.
    EXPECT_LT(at_once, rules.find("-A " + chain + " -d 10.0.0.2 -p udp --dport 53 -j RETURN"));
  }
  plan.has_limits = false;
  EXPECT_THAT(firewall_lines(plan), Not(HasSubstr("limit")));
}

TEST(FirewallRules, OfTheHostItselfNothingIsReached) {
  const std::string rules = filter_table(firewall_lines(a_firewall()));
  EXPECT_THAT(rules, HasSubstr("-A MATRX-I-1f2e3d4c5b6a7988 -j REJECT"));
  // Nothing lets anything pass behind the last word of its chain.
  EXPECT_GT(rules.rfind("-A MATRX-I-1f2e3d4c5b6a7988 -j REJECT"), rules.rfind("RETURN"));
}

TEST(FirewallRules, ExceptionsComeBeforeWhatTheyAreExceptionsOf) {
  const std::string rules = filter_table(firewall_lines(a_firewall()));
  const auto refused = rules.find("-A MATRX-F-1f2e3d4c5b6a7988 -d 10.0.0.0/8");
  EXPECT_LT(rules.find("-A MATRX-F-1f2e3d4c5b6a7988 -d 10.9.0.0/16 -j RETURN"), refused);
  EXPECT_LT(rules.find("-A MATRX-F-1f2e3d4c5b6a7988 -d 10.0.0.2 -p udp --dport 53 -j RETURN"),
            refused);
}

TEST(FirewallRules, AreReplacedAsAWhole) {
  const std::string rules = filter_table(firewall_lines(a_firewall()));
  EXPECT_THAT(rules, testing::StartsWith("*filter\n:MATRX-F-1f2e3d4c5b6a7988 - [0:0]\n"));
  EXPECT_THAT(rules, testing::EndsWith("COMMIT\n"));
  EXPECT_THAT(rules, Not(HasSubstr("DOCKER-USER")));  // what is not ours stays as it is
}

TEST(FirewallRules, ChainsOfTwoInstallationsDiffer) {
  EXPECT_NE(forward_chain("aaaaaaaa"), forward_chain("bbbbbbbb"));
  // What all have in common at their beginning leaves enough of what differs.
  EXPECT_NE(forward_chain("inst-0123456789ab"), forward_chain("inst-0123456789ac"));
  EXPECT_LE(forward_chain("inst-0123456789abcdef0123").size(), 28U);
}

TEST(FirewallRules, NameserversOnLoopbackAreDockersToAsk) {
  EXPECT_THAT(parse_nameservers("# a\nnameserver 127.0.0.53\nnameserver\t10.0.0.2 \n"
                                "nameserver fd00::1\nnameserver x; y\nsearch a\n"),
              ElementsAre("10.0.0.2"));
  EXPECT_THAT(parse_nameservers(""), IsEmpty());
}

TEST(FirewallRules, TheBridgeIsNamedOrFollowsFromTheId) {
  EXPECT_EQ(read_bridge(R"({"Id":"0123456789abcdef","Options":{}})")->interface, "br-0123456789ab");
  EXPECT_EQ(read_bridge(R"({"Id":"0123456789abcdef","Options":)"
                        R"({"com.docker.network.bridge.name":"mx0"}})")
                ->interface,
            "mx0");
  EXPECT_EQ(read_bridge(R"({"Id":"0123456789abcdef","IPAM":{"Config":[{"Gateway":"fd00::1"},)"
                        R"({"Subnet":"172.20.0.0/16","Gateway":"172.20.0.1"}]}})")
                ->gateway,
            "172.20.0.1");
  EXPECT_EQ(
      read_bridge(R"({"Id":"0123456789abcdef","IPAM":{"Config":[7,{"Gateway":7}]}})")->gateway, "");
  for (const char* bad : {"", "[]", "{}", R"({"Id":"short"})"}) EXPECT_FALSE(read_bridge(bad));
}

}  // namespace
}  // namespace matrx::docker
