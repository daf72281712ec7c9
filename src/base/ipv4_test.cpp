#include "base/ipv4.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

TEST(Ipv4, RangesAreAddressesWithOrWithoutALength) {
  for (const char* good : {"10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "255.255.255.255/32"}) {
    EXPECT_TRUE(is_ipv4_range(good)) << good;
  }
  for (const char* bad : {"", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/", "a.b.c.d",
                          "10.0.0.1 -j ACCEPT", "::1", "10.0.0.0/8/8", "-1.0.0.0", "1.2.3.0004"}) {
    EXPECT_FALSE(is_ipv4_range(bad)) << bad;
  }
}

}  // namespace
}  // namespace matrx
