// What becomes of the cookies of programs, both ways.

#include "api/program_cookies.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace matrx::api {
namespace {

const SandboxId kBox = SandboxId::parse("sbx-0123456789ab").value();
const ProgramPlace kPlace{.cookie_prefix = cookie_prefix(kBox, 8080), .path = "/links/5ec"};

std::string out(std::string_view set_cookie) {
  const auto cookie = cookie_outwards(set_cookie, kPlace);
  return cookie ? cookie->set_cookie : "none";
}

TEST(ProgramCookies, CarryTheNameOfTheirProgramOutside) {
  EXPECT_EQ(kPlace.cookie_prefix, "mx-0123456789ab-8080-");
  EXPECT_EQ(out("a=1"), "mx-0123456789ab-8080-a=1; Path=/links/5ec");
  EXPECT_EQ(out(" a = b=c ;HttpOnly; secure;SameSite=None"),
            "mx-0123456789ab-8080-a= b=c; Path=/links/5ec; HttpOnly; secure; SameSite=None");
  EXPECT_EQ(out("__Host-a=1; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            "mx-0123456789ab-8080-__Host-a=1; Path=/links/5ec; Max-Age=0; "
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(ProgramCookies, HoldForNoOtherHostAndNoOtherPath) {
  EXPECT_EQ(
      out("a=1; Domain=example.com; PATH=/; Path=/dashboard; domain = .com; Priority=High; x"),
      "mx-0123456789ab-8080-a=1; Path=/links/5ec");
}

// Browsers send back "=matrx_session=x" and "matrx_session" as if they had a name.
TEST(ProgramCookies, HaveAName) {
  for (const char* without :
       {"", ";", "=matrx_session=x", " =x", "matrx_session", "\t=x", "; Path=/"}) {
    EXPECT_EQ(out(without), "none") << without;
  }
}

TEST(ProgramCookies, AreBounded) {
  EXPECT_EQ(out("a=" + std::string(kProgramCookieBytesMax, 'x')), "none");
  EXPECT_NE(out("a=" + std::string(kProgramCookieBytesMax - 2, 'x')), "none");
  EXPECT_EQ(out(std::string(kProgramCookieNameBytesMax + 1, 'n') + "=x"), "none");
  for (const char* odd : {"a=\r\nSet-Cookie: b=1", "a=\x01", "a\x7f=1"})
    EXPECT_EQ(out(odd), "none");
  ProgramCookieNames names;
  for (std::size_t i = 0; i < kProgramCookiesMax; ++i) {
    EXPECT_TRUE(names.may_set("/links/1", "n" + std::to_string(i)));
  }
  EXPECT_FALSE(names.may_set("/links/1", "one more"));
  EXPECT_TRUE(names.may_set("/links/1", "n0")) << "it has that one";
  EXPECT_TRUE(names.may_set("/links/2", "one more")) << "another browser's, or another program";
}

TEST(ProgramCookies, ComeBackUnderTheirOwnNamesAndNoOthersDo) {
  EXPECT_EQ(
      cookies_inwards("session=s; mx-0123456789ab-8080-a=1;matrx_session=x; "
                      "__Host-matrx_session=y; mx-0123456789ab-80-b=2; "
                      "mx-0123456789ab-8080-__Host-c=3; mx-ba9876543210-8080-d=4; _oauth2_proxy=z",
                      kPlace.cookie_prefix),
      "a=1; __Host-c=3");
  for (const char* others :
       {"", ";;", "a=1", "MX-0123456789AB-8080-a=1", "mx-0123456789ab-80801-a=1"}) {
    EXPECT_EQ(cookies_inwards(others, kPlace.cookie_prefix), "") << others;
  }
}

}  // namespace
}  // namespace matrx::api
