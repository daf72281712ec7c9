#include "model/egress.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

TEST(EgressList, TakesRangesAndDomains) {
  const auto list =
      parse_egress_list({"192.0.2.0/24", "198.51.100.7", "PyPI.org", "*.example.com"});
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->ranges, (std::vector<std::string>{"192.0.2.0/24", "198.51.100.7"}));
  EXPECT_EQ(list->domains, (std::vector<std::string>{"pypi.org", "*.example.com"}));
}

TEST(EgressList, RefusesWhatIsNeither) {
  for (const char* bad :
       {"", "*", "*.", "com", "a b.com", "http://a.com", "a.com:443", "a..com", ".a.com", "a.com.",
        "1.2.3", "1.2.3.4/33", "300.1.1.1", "a.*.com", "fe80::1", "a.com\n"}) {
    EXPECT_FALSE(parse_egress_list({bad})) << bad;
  }
  EXPECT_FALSE(parse_egress_list({std::string(64, 'a') + ".com"}));
  EXPECT_FALSE(parse_egress_list({}));
  EXPECT_FALSE(parse_egress_list(std::vector<std::string>(kEgressEntriesMax + 1, "a.com")));
}

TEST(EgressList, AStarStandsForWhatIsBelow) {
  const auto list = parse_egress_list({"pypi.org", "*.example.com"}).value();
  for (const char* good : {"pypi.org", "a.example.com", "a.b.example.com"}) {
    EXPECT_TRUE(allows_name(list, good)) << good;
  }
  for (const char* bad : {"a.pypi.org", "example.com", ".example.com", "evilexample.com",
                          "pypi.org.evil.net", "", "192.0.2.1"}) {
    EXPECT_FALSE(allows_name(list, bad)) << bad;
  }
}

}  // namespace
}  // namespace matrx
