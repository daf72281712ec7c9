// The header lines that pass the proxy, and those that do not.

#include "api/proxy.hpp"

#include <gtest/gtest.h>

namespace matrx::api {
namespace {

using Lines = std::vector<http::Headers::Line>;

const std::vector<std::string> kKeys = {"first-key", "second-key"};
constexpr std::string_view kOurs = "mx-0123456789ab-8080-";

http::Headers make_headers(Lines lines) {
  http::Headers headers;
  for (auto& line : lines) headers.add(std::move(line.name), std::move(line.value));
  return headers;
}

Passage passage(bool with_key, bool is_upgrade = false) {
  return {.key_header = "X-Ours",
          .keys = kKeys,
          .with_key = with_key,
          .is_upgrade = is_upgrade,
          .place = {.cookie_prefix = std::string(kOurs), .path = "/links/5ec"}};
}

http::Headers inwards(Lines lines, const Passage& by = passage(true)) {
  http::Request request;
  request.headers = make_headers(std::move(lines));
  request.remote = "10.0.0.1";
  return headers_inwards(request, by);
}

http::Headers outwards(Lines lines, const Passage& by = passage(false)) {
  return headers_outwards(make_headers(std::move(lines)), by,
                          [](const std::string&) { return true; });
}

std::vector<std::string> values(const http::Headers& headers, std::string_view name) {
  std::vector<std::string> all;
  for (const auto& line : headers.lines()) {
    if (line.name == name) all.push_back(line.value);
  }
  return all;
}

TEST(Proxy, OurKeysStayHere) {
  EXPECT_FALSE(inwards({{"x-ours", "first-key"}}).has("X-Ours"));
  EXPECT_FALSE(inwards({{"authorization", "bearer  second-key"}}).has("Authorization"));
  const auto both = inwards({{"X-Ours", "first-key"},
                             {"Authorization", "Bearer of-the-program"},
                             {"Authorization", "Bearer first-key"}});
  EXPECT_EQ(values(both, "Authorization"), std::vector<std::string>{"Bearer of-the-program"});
  // Wherever somebody has put one: ":first-key" and "second-key:" in Basic.
  for (const auto& line : Lines{{"X-Api-Key", "first-key"},
                                {"Sec-WebSocket-Protocol", "key, second-key"},
                                {"Referer", "http://x/?key=first-key"},
                                {"Authorization", "Basic OmZpcnN0LWtleQ=="},
                                {"AUTHORIZATION", "basic  c2Vjb25kLWtleTo="}}) {
    EXPECT_FALSE(inwards({line}).has(line.name)) << line.value;
  }
}

// What a browser adds by itself is for our host, not for a program behind it.
TEST(Proxy, WhatABrowserSendsToOurHostStaysHere) {
  for (const auto& line : Lines{{"Authorization", "Basic c2l0ZTpwYXNzd29yZA=="},
                                {"authorization", "Bearer of-the-site"},
                                {"AUTHORIZATION", "Negotiate abc"}}) {
    EXPECT_FALSE(inwards({line}, passage(false)).has("Authorization")) << line.value;
    EXPECT_FALSE(inwards({line}, passage(false, true)).has("Authorization")) << "WebSocket";
    EXPECT_TRUE(inwards({line}).has("Authorization")) << "whoever has a key speaks for himself";
  }
  const auto cookies =
      inwards({{"Cookie", "session=app; matrx_session=x; mx-0123456789ab-8080-own=1"},
               {"cookie", "_oauth2_proxy=y; mx-0123456789ab-80-other=2"},
               {"COOKIE", "mx-0123456789ab-8080-two=3"}});
  EXPECT_EQ(values(cookies, "Cookie"), (std::vector<std::string>{"own=1", "two=3"}));
  EXPECT_FALSE(inwards({{"Cookie", "other=2"}}).has("Cookie"));
}

// What a proxy in front of us says of who is there may open everything else of the site.
TEST(Proxy, WhatAProxyInFrontSaysStaysHere) {
  for (const char* name : {"X-Forwarded-User",
                           "X-Forwarded-Access-Token",
                           "x-forwarded-email",
                           "X-Forwarded-Client-Cert",
                           "X-Auth-Request-Access-Token",
                           "X-Amzn-Oidc-Data",
                           "X-Amzn-Oidc-Accesstoken",
                           "Cf-Access-Jwt-Assertion",
                           "X-Goog-Iap-Jwt-Assertion",
                           "X-Ms-Token-Aad-Id-Token",
                           "X-MS-CLIENT-PRINCIPAL",
                           "Remote-User",
                           "X-Remote-User",
                           "X-Webauth-User",
                           "Tailscale-User-Login",
                           "Ssl-Client-Cert",
                           "Sec-Session-Response",
                           "Secure-Session-Response",
                           "Proxy-Authorization",
                           "X-Matrx-CSRF"}) {
    EXPECT_FALSE(inwards({{name, "x"}}).has(name)) << name;
  }
  for (const char* name :
       {"X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Auth", "X-User", "Origin"}) {
    EXPECT_EQ(inwards({{name, "x"}}, passage(false)).get(name), "x") << name;
  }
}

TEST(Proxy, WhatBelongsToTheConnectionStaysHere) {
  const auto headers = inwards({{"Connection", "keep-alive, X-One"},
                                {"Connection", "X-Two"},
                                {"X-One", "1"},
                                {"x-two", "2"},
                                {"X-Three", "3"},
                                {"Transfer-Encoding", "chunked"},
                                {"Content-Length", "4"},
                                {"Host", "outside"},
                                {"Upgrade", "odd"},
                                {"X-Forwarded-For", "forged"}});
  ASSERT_EQ(headers.lines().size(), 3U);
  EXPECT_EQ(headers.get("X-Three"), "3");
  EXPECT_EQ(headers.get("X-Forwarded-For"), "10.0.0.1");
  EXPECT_EQ(headers.get("X-Forwarded-Host"), "outside");
  EXPECT_EQ(inwards({{"Upgrade", "websocket"}}, passage(true, true)).get("Connection"), "Upgrade");
}

TEST(Proxy, AnAnswerHasNoSayOverOurOrigin) {
  Lines lines;
  for (const char* name : {"Clear-Site-Data",
                           "strict-transport-security",
                           "Alt-Svc",
                           "Service-Worker-Allowed",
                           "X-Request-Id",
                           "NEL",
                           "Report-To",
                           "Reporting-Endpoints",
                           "Accept-CH",
                           "CRITICAL-CH",
                           "Secure-Session-Registration",
                           "Sec-Session-Registration",
                           "Sec-Session-Challenge",
                           "Secure-Session-Challenge",
                           "Set-Login",
                           "Public-Key-Pins",
                           "Expect-CT",
                           "Attribution-Reporting-Register-Source",
                           "Shared-Storage-Write",
                           "Use-As-Dictionary",
                           "Set-Cookie2",
                           "Proxy-Authenticate",
                           "WWW-Authenticate",
                           "www-authenticate",
                           "Authentication-Info"}) {
    lines.push_back({name, "x"});
  }
  lines.push_back({"Set-Cookie", "own=1; Path=/; Domain=example.com"});
  lines.push_back({"SET-COOKIE", "matrx_session=x"});
  lines.push_back({"set-cookie", " =matrx_session=x; Path=/"});
  for (const bool is_upgrade : {false, true}) {
    const auto headers = outwards(lines, passage(false, is_upgrade));
    EXPECT_EQ(values(headers, "Set-Cookie"),
              (std::vector<std::string>{"mx-0123456789ab-8080-own=1; Path=/links/5ec",
                                        "mx-0123456789ab-8080-matrx_session=x; Path=/links/5ec"}));
    EXPECT_EQ(headers.lines().size(), is_upgrade ? 4U : 3U);
  }
  const auto headers = outwards({});
  EXPECT_TRUE(headers.get("Content-Security-Policy").starts_with("sandbox "));
  EXPECT_EQ(headers.get("Content-Security-Policy").find("same-origin"), std::string_view::npos);
  EXPECT_TRUE(outwards({{"WWW-Authenticate", "Basic"}}, passage(true)).has("WWW-Authenticate"))
      << "whoever has a key speaks with the program itself";
}

TEST(Proxy, TooManyCookiesAreNotSet) {
  const auto headers =
      headers_outwards(make_headers({{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=1"}}), passage(true),
                       [](const std::string& name) { return name == "b"; });
  EXPECT_EQ(values(headers, "Set-Cookie"),
            std::vector<std::string>{"mx-0123456789ab-8080-b=1; Path=/links/5ec"});
}

// Its parts have headers of their own.
TEST(Proxy, NoPartsForABrowser) {
  for (const char* type : {"multipart/x-mixed-replace; boundary=x", "Multipart/X-Mixed-Replace"}) {
    EXPECT_EQ(outwards({{"content-type", type}}).get("Content-Type"), "application/octet-stream");
    EXPECT_EQ(outwards({{"content-type", type}}, passage(true)).get("Content-Type"), type);
  }
  EXPECT_EQ(outwards({{"Content-Type", "multipart/mixed"}}).get("Content-Type"), "multipart/mixed");
}

// Our pages allow scripts of our origin, and that is where links and proxies are.
TEST(Proxy, NothingIsAPartOfAPageOfOurs) {
  const auto ours = [](std::string site, std::string destination) {
    http::Request request;
    request.headers = make_headers({{"sec-fetch-site", site}, {"Sec-Fetch-Dest", destination}});
    return is_for_a_page_of_ours(request);
  };
  for (const char* code : {"script", "style", "worker", "sharedworker", "serviceworker",
                           "audioworklet", "paintworklet", "xslt"}) {
    EXPECT_TRUE(ours("same-origin", code)) << code;
    EXPECT_FALSE(ours("cross-site", code)) << "a program's page asks so";
  }
  for (const char* other : {"document", "image", "empty", "iframe", "websocket", ""}) {
    EXPECT_FALSE(ours("same-origin", other)) << other;
  }
  EXPECT_FALSE(is_for_a_page_of_ours({}));
  http::Request worker;
  worker.headers = make_headers({{"service-worker", "script"}});
  EXPECT_TRUE(is_for_a_page_of_ours(worker));
}

}  // namespace
}  // namespace matrx::api
