#include "adapters/docker/egress_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrx::docker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kInstallation = "1f2e3d4c-5b6a-7988";

AllowlistPlan a_plan() {
  return {.installation = kInstallation,
          .bridge = {.interface = "br-0123456789ab", .gateway = "172.20.0.1"},
          .allowed = {"10.9.0.0/16"}};
}

ListedSandbox a_sandbox() {
  return {.id = SandboxId::parse("sbx-0123456789ab").value(),
          .address = "172.20.0.2",
          .list = {.ranges = {"192.0.2.0/24"}, .domains = {"pypi.org"}},
          .learned = {"198.51.100.7"}};
}

TEST(EgressRules, PrivateRangesAreRefusedBeforeAnyListIsAsked) {
  const std::string lines = allowlist_lines(a_plan());
  const auto asked = lines.find("-A MATRX-A-1f2e3d4c5b6a7988 -g MATRX-S-1f2e3d4c5b6a7988");
  for (const auto& range : private_ranges()) {
    EXPECT_LT(lines.find("-A MATRX-A-1f2e3d4c5b6a7988 -d " + range + " -j REJECT"), asked);
  }
  // What the host allows may be in a list; alone it opens nothing.
  EXPECT_LT(lines.find("-d 10.9.0.0/16 -g MATRX-S-1f2e3d4c5b6a7988"),
            lines.find("-d 10.0.0.0/8 -j REJECT"));
}

TEST(EgressRules, OfTheHostOnlyTheNameServerIsReached) {
  const std::string lines = allowlist_lines(a_plan());
  EXPECT_THAT(lines,
              HasSubstr("-A MATRX-N-1f2e3d4c5b6a7988 -d 172.20.0.1 -p udp --dport 53 -j ACCEPT\n"
                        "-A MATRX-N-1f2e3d4c5b6a7988 -j REJECT"));
}

TEST(EgressRules, ASandboxReachesItsListAndNothingElse) {
  const std::string lines = sandbox_lines(a_sandbox());
  EXPECT_EQ(lines,
            ":MATRX-E-sbx0123456789ab - [0:0]\n"
            "-A MATRX-E-sbx0123456789ab -d 192.0.2.0/24 -j RETURN\n"
            "-A MATRX-E-sbx0123456789ab -d 198.51.100.7 -j RETURN\n"
            "-A MATRX-E-sbx0123456789ab -j REJECT --reject-with icmp-admin-prohibited\n");
}

TEST(EgressRules, WhoIsNotKnownIsRefused) {
  const auto sandbox = a_sandbox();
  EXPECT_EQ(switch_lines(kInstallation, {&sandbox}),
            ":MATRX-S-1f2e3d4c5b6a7988 - [0:0]\n"
            "-A MATRX-S-1f2e3d4c5b6a7988 -s 172.20.0.2 -g MATRX-E-sbx0123456789ab\n"
            "-A MATRX-S-1f2e3d4c5b6a7988 -j REJECT --reject-with icmp-admin-prohibited\n");
}

TEST(EgressRules, AConnectionOfWhoHadTheAddressBeforeIsNoWayOut) {
  EXPECT_THAT(allowlist_lines(a_plan()), testing::Not(HasSubstr("ESTABLISHED -j")));
  EXPECT_THAT(allowlist_lines(a_plan()), HasSubstr("ESTABLISHED --ctdir REPLY -j RETURN"));
}

// Whoever takes our chains away takes the way out with them.
TEST(EgressRules, OnlyWhatOurChainHasLookedAtGetsTheHostsAddress) {
  const std::string mark = "0x2000000/0x2000000";
  const std::string lines = allowlist_lines(a_plan());
  EXPECT_LT(lines.find("-A MATRX-A-1f2e3d4c5b6a7988 -j MARK --set-xmark " + mark),
            lines.find("-j REJECT"));
  EXPECT_EQ(way_out_table(a_plan()),
            "*nat\n:MATRX-P-1f2e3d4c5b6a7988 - [0:0]\n"
            "-A MATRX-P-1f2e3d4c5b6a7988 ! -o br-0123456789ab -m mark --mark " +
                mark + " -j MASQUERADE\nCOMMIT\n");
}

TEST(EgressRules, ConnectionsOfOneSandboxAreCounted) {
  AllowlistPlan plan = a_plan();
  for (const char* chain : {"MATRX-A-1f2e3d4c5b6a7988", "MATRX-N-1f2e3d4c5b6a7988"}) {
    EXPECT_THAT(allowlist_lines(plan),
                HasSubstr(std::string("-A ") + chain + " -m conntrack --ctstate NEW -m connlimit"));
  }
  plan.has_limits = false;
  EXPECT_THAT(allowlist_lines(plan), testing::Not(HasSubstr("connlimit")));
}

TEST(EgressRules, AChainThatRefusesNothingIsNoticed) {
  const auto sandbox = a_sandbox();
  const std::string refuse = " -j REJECT --reject-with icmp-admin-prohibited\n";
  const std::string by_address =
      "-A MATRX-S-1f2e3d4c5b6a7988 -s 172.20.0.2/32 -g MATRX-E-sbx0123456789ab\n";
  const std::string by_switch = "-A MATRX-S-1f2e3d4c5b6a7988" + refuse;
  const std::string its_own = "-A MATRX-E-sbx0123456789ab -d 192.0.2.0/24 -j RETURN\n";
  const std::string its_end = "-A MATRX-E-sbx0123456789ab" + refuse;
  const auto is_good = [&](const std::string& host) {
    return is_each_refused_the_rest(host, kInstallation, {&sandbox});
  };
  EXPECT_TRUE(is_good(by_address + by_switch + its_own + its_end));
  EXPECT_FALSE(is_good(by_address + its_own + its_end));
  EXPECT_FALSE(is_good(by_switch + its_own + its_end));
  EXPECT_FALSE(is_good(by_address + by_switch + its_own));
  EXPECT_FALSE(is_good(by_address + by_switch));
  EXPECT_FALSE(is_good(by_address + by_switch + its_end + its_own));
  EXPECT_FALSE(is_good(""));
}

TEST(EgressRules, AreReadBack) {
  constexpr std::string_view kHost =
      "-P INPUT ACCEPT\n-N MATRX-S-1\n-A MATRX-S-1 -s 172.20.0.2/32 -g MATRX-E-a\n"
      "-A MATRX-S-1 -s 172.20.0.3/32 -g MATRX-E-b\n-A MATRX-S-1 -j REJECT\n"
      "-A MATRX-S-12 -s 172.20.0.4/32 -g MATRX-E-c\n"
      "-A MATRX-E-a -d 192.0.2.0/24 -j RETURN\n-A MATRX-E-a -d 198.51.100.7/32 -j RETURN\n"
      "-A MATRX-E-a -d nonsense -j RETURN\n-A MATRX-E-a -d";
  EXPECT_THAT(read_targets(rules_of(kHost, "MATRX-S-1")), ElementsAre("MATRX-E-a", "MATRX-E-b"));
  EXPECT_THAT(read_destinations(rules_of(kHost, "MATRX-E-a")),
              ElementsAre("192.0.2.0/24", "198.51.100.7"));
  EXPECT_THAT(rules_of(kHost, "MATRX-E-b"), IsEmpty());
  EXPECT_THAT(rules_of("", "MATRX-E-b"), IsEmpty());
}

}  // namespace
}  // namespace matrx::docker
