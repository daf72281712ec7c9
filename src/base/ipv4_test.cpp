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

TEST(Ipv4, ZerosInFrontAreRefused) {  // iptables reads 010.0.0.1 as 8.0.0.1
  for (const char* bad : {"010.0.0.1", "10.0.0.01", "10.0.0.0/08", "00.0.0.0"}) {
    EXPECT_FALSE(is_ipv4_range(bad)) << bad;
  }
}

TEST(Ipv4, ARangeContainsItsAddresses) {
  EXPECT_TRUE(range_contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(range_contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(range_contains("10.1.2.3/8", "10.9.9.9"));  // the bits that do not count are free
  EXPECT_TRUE(range_contains("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(range_contains("172.16.0.0/12", "172.32.0.0"));
  EXPECT_TRUE(range_contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(range_contains("192.0.2.7", "192.0.2.8"));
  EXPECT_TRUE(range_contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(range_contains("nonsense", "10.0.0.1"));
  EXPECT_FALSE(range_contains("0.0.0.0/0", "nonsense"));
}

}  // namespace
}  // namespace matrx
