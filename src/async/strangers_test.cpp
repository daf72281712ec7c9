// Who goes when too many strangers have come.

#include "async/strangers.hpp"

#include <gtest/gtest.h>

#include <list>

namespace matrx {
namespace {

struct Guest {
  std::string from;
  bool known = false;
  bool is_stranger() const { return !known; }
  const std::string& source() const { return from; }
};

std::string source(const char* address) {
  return source_of(boost::asio::ip::make_address(address));
}

TEST(Strangers, AnAddressAndAnIpv6NetworkAreOneSourceEach) {
  EXPECT_EQ(source("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(source("::ffff:10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(source("2001:db8:1:2:3:4:5:6"), source("2001:db8:1:2:ffff::1"));
  EXPECT_NE(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
}

TEST(Strangers, TheOldestOfTheSourceThatHasMostGoes) {
  Guest known{"many", true}, lone{"lone"}, first{"many"}, second{"many"};
  std::list<Guest*> guests = {&known, &lone, &first, &second};
  EXPECT_EQ(oldest_of_most(guests), &first);
  EXPECT_EQ(strangers_of(guests, "many").count, 2U);
  EXPECT_EQ(strangers_of(guests, "many").oldest, &first);
  EXPECT_EQ(strangers_of(guests, "nobody").oldest, nullptr);
  first.known = second.known = true;
  EXPECT_EQ(oldest_of_most(guests), &lone);
  lone.known = true;
  EXPECT_EQ(oldest_of_most(guests), nullptr);
}

}  // namespace
}  // namespace matrx
