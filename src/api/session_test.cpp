// Signing in to the dashboard, and what a browser may do with its cookie.

#include "api/session.hpp"

#include <gtest/gtest.h>

#include "api/errors.hpp"
#include "base/limits.hpp"

namespace matrx::api {
namespace {

using http::Method;
using std::chrono::hours;

constexpr Sessions::Time kSessionStart{};

http::Request request_with(Method method, std::vector<http::Headers::Line> lines) {
  http::Request request;
  request.method = method;
  for (auto& line : lines) request.headers.add(line.name, line.value);
  return request;
}

class SessionsTest : public testing::Test {
 protected:
  SeededRandom random_{1};
  Sessions sessions_{random_};
};

TEST_F(SessionsTest, AreKnownByTheirTokenOnly) {
  const std::string token = sessions_.open(kSessionStart);
  EXPECT_EQ(token.size(), 64U);
  ASSERT_NE(sessions_.find(token, kSessionStart), nullptr);
  EXPECT_NE(sessions_.find(token, kSessionStart)->csrf, token);
  EXPECT_EQ(sessions_.find("", kSessionStart), nullptr);
  EXPECT_EQ(sessions_.find(token.substr(1), kSessionStart), nullptr);
  EXPECT_NE(sessions_.open(kSessionStart), token);
}

TEST_F(SessionsTest, EndWhenNobodyUsesThem) {
  const std::string token = sessions_.open(kSessionStart);
  EXPECT_NE(sessions_.find(token, kSessionStart + kSessionIdle - hours(1)), nullptr);
  EXPECT_NE(sessions_.find(token, kSessionStart + kSessionIdle + hours(1)), nullptr)
      << "it was used";
  EXPECT_EQ(sessions_.find(token, kSessionStart + kSessionIdle * 3), nullptr);
  EXPECT_EQ(sessions_.count(), 0U);
}

TEST_F(SessionsTest, EndAfterAWhileAlsoInUse) {
  const std::string token = sessions_.open(kSessionStart);
  auto now = kSessionStart;
  for (; now < kSessionStart + kSessionMax; now += hours(1)) {
    ASSERT_NE(sessions_.find(token, now), nullptr);
  }
  EXPECT_EQ(sessions_.find(token, now), nullptr);
}

TEST_F(SessionsTest, AreSoManyAtMost) {
  const std::string idle = sessions_.open(kSessionStart);
  const std::string used = sessions_.open(kSessionStart);
  (void)sessions_.find(used, kSessionStart + hours(1));
  while (sessions_.count() < kSessionsMax) (void)sessions_.open(kSessionStart + hours(2));
  (void)sessions_.open(kSessionStart + hours(2));
  EXPECT_EQ(sessions_.count(), kSessionsMax);
  EXPECT_EQ(sessions_.find(idle, kSessionStart + hours(2)), nullptr);
  EXPECT_NE(sessions_.find(used, kSessionStart + hours(2)), nullptr);
}

TEST_F(SessionsTest, CanBeClosed) {
  const std::string token = sessions_.open(kSessionStart);
  sessions_.close("another");
  sessions_.close(token);
  EXPECT_EQ(sessions_.find(token, kSessionStart), nullptr);
}

TEST(SessionCookie, IsFoundAmongOthers) {
  const auto token = [](std::string cookies, bool over_tls = false) {
    return std::string(
        session_token_of(request_with(Method::get, {{"cookie", cookies}}), over_tls));
  };
  EXPECT_EQ(token("matrx_session=abc"), "abc");
  EXPECT_EQ(token("a=b; matrx_session=abc; c"), "abc");
  EXPECT_EQ(token("xmatrx_session=abc; matrx_session_=x"), "");
  EXPECT_EQ(token("matrx_session"), "");
  EXPECT_EQ(token(""), "");
  // A sibling of our host can set the one, but not the other.
  EXPECT_EQ(token("matrx_session=forged; __Host-matrx_session=abc", true), "abc");
  EXPECT_EQ(token("matrx_session=forged", true), "");
}

TEST(SessionCookie, IsOutOfReachOfScriptsAndOtherSites) {
  EXPECT_EQ(session_cookie("t", false), "matrx_session=t; Path=/; HttpOnly; SameSite=Strict");
  EXPECT_EQ(session_cookie("", false),
            "matrx_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
  EXPECT_EQ(session_cookie("t", true),
            "__Host-matrx_session=t; Path=/; HttpOnly; SameSite=Strict; Secure");
}

TEST(SessionCookie, KnowsTlsByTheProxyOrByThePublicOrigin) {
  const std::vector<std::string> origins = {"http://old.example", "https://box.example:444"};
  const auto over_tls = [&](std::string name, std::string value) {
    return is_over_tls(request_with(Method::get, {{std::move(name), std::move(value)}}), origins);
  };
  EXPECT_TRUE(over_tls("X-Forwarded-Proto", "HTTPS"));
  EXPECT_TRUE(over_tls("Host", "BOX.example:444"));
  EXPECT_FALSE(over_tls("X-Forwarded-Proto", "http"));
  for (const char* other : {"box.example", "old.example", "127.0.0.1:8000", ""}) {
    EXPECT_FALSE(over_tls("Host", other)) << other;
  }
}

TEST(Host, IsAnAddressLocalhostOrAPublicOne) {
  const auto is_ours = [](std::string host) {
    return is_for_us(request_with(Method::get, {{"host", host}}),
                     {"https://box.example", "http://other.example:8000"});
  };
  for (const char* ours : {"127.0.0.1", "10.1.2.3:8000", "[::1]", "[fe80::1]:8000", "localhost",
                           "LOCALHOST:8000", "box.example", "Box.Example:8000", "other.example"}) {
    EXPECT_TRUE(is_ours(ours)) << ours;
  }
  for (const char* foreign : {"evil.example", "evil.example:8000", "localhost.evil.example",
                              "127.0.0.1.evil.example", "evil-localhost", "1.2.3", "xbox.example",
                              "box.example.evil", "0x7f.1", "256.0.0.1", "box.example@evil"}) {
    EXPECT_FALSE(is_ours(foreign)) << foreign;
  }
  EXPECT_TRUE(is_for_us(request_with(Method::get, {}), {})) << "no browser";
  EXPECT_FALSE(
      is_for_us(request_with(Method::get, {{"Host", "localhost"}, {"Host", "evil.example"}}), {}));
}

TEST(Origin, IsOursWhereHostAndPortAreTheSame) {
  const auto ours = [](std::string origin, std::string header = "Host") {
    return is_of_our_origin(
        request_with(Method::get, {{"Origin", origin}, {header, "box.example:8000"}}));
  };
  EXPECT_EQ(ours("http://box.example:8000"), true);
  EXPECT_EQ(ours("https://BOX.example:8000"), true);
  EXPECT_EQ(ours("https://box.example:8000", "X-Forwarded-Host"), true);
  for (const char* foreign :
       {"http://box.example", "http://box.example:8001", "http://evil.example:8000", "null", "",
        "http://box.example:8000.evil.example", "http://evil.example/box.example:8000"}) {
    EXPECT_EQ(ours(foreign), false) << foreign;
  }
  EXPECT_EQ(is_of_our_origin(request_with(Method::get, {{"Host", "h"}})), std::nullopt);
}

TEST(SignedInBrowser, NeedsTheHeaderToChangeSomething) {
  const Sessions::Session session{.csrf = "c5f", .begun = {}, .used = {}};
  for (const auto method : {Method::get, Method::head}) {
    EXPECT_FALSE(why_refused(session, request_with(method, {})));
  }
  for (const auto method : {Method::post, Method::put, Method::del, Method::patch, Method::other}) {
    EXPECT_TRUE(why_refused(session, request_with(method, {})));
    EXPECT_TRUE(why_refused(session, request_with(method, {{"X-Matrx-CSRF", "c5"}})));
    EXPECT_TRUE(why_refused(session, request_with(method, {{"X-Matrx-CSRF", ""}})));
    EXPECT_FALSE(why_refused(session, request_with(method, {{"x-matrx-csrf", "c5f"}})));
  }
}

TEST(SignedInBrowser, NeedsOurOriginForAWebSocket) {
  const Sessions::Session session{.csrf = "c5f", .begun = {}, .used = {}};
  const auto refused = [&](std::vector<http::Headers::Line> lines) {
    lines.push_back({"Upgrade", "websocket"});
    lines.push_back({"Host", "box:8000"});
    return why_refused(session, request_with(Method::get, std::move(lines))).has_value();
  };
  EXPECT_FALSE(refused({{"Origin", "http://box:8000"}}));
  EXPECT_TRUE(refused({{"Origin", "http://evil:8000"}}));
  EXPECT_TRUE(refused({{"Origin", "null"}}));
  EXPECT_TRUE(refused({}));
}

}  // namespace
}  // namespace matrx::api
