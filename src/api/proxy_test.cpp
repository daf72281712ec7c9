// The header lines that pass the proxy, and those that do not.

#include "api/proxy.hpp"

#include <gtest/gtest.h>

namespace matrx::api {
namespace {

http::Headers make_headers(std::vector<http::Headers::Line> lines) {
  http::Headers headers;
  for (auto& line : lines) headers.add(std::move(line.name), std::move(line.value));
  return headers;
}

http::Headers inwards(std::vector<http::Headers::Line> lines, bool is_upgrade = false) {
  http::Request request;
  request.headers = make_headers(std::move(lines));
  request.remote = "10.0.0.1";
  return headers_inwards(request, "X-Ours", {"first-key", "second-key"}, is_upgrade);
}

http::Headers outwards(std::vector<http::Headers::Line> lines, bool is_upgrade = false) {
  return headers_outwards(make_headers(std::move(lines)), is_upgrade);
}

TEST(Proxy, OurKeysStayHere) {
  EXPECT_FALSE(inwards({{"x-ours", "first-key"}}).has("X-Ours"));
  EXPECT_FALSE(inwards({{"authorization", "bearer  second-key"}}).has("Authorization"));
  const auto both = inwards({{"X-Ours", "first-key"},
                             {"Authorization", "Bearer of-the-program"},
                             {"Authorization", "Bearer first-key"}});
  EXPECT_EQ(both.get("Authorization"), "Bearer of-the-program");
  std::size_t tokens = 0;
  for (const auto& line : both.lines()) tokens += line.name == "Authorization" ? 1 : 0;
  EXPECT_EQ(tokens, 1U);
}

TEST(Proxy, OurCookieStaysHereAndOthersPass) {
  EXPECT_EQ(inwards({{"Cookie", "a=1; matrx_session=x;b=2"}}).get("Cookie"), "a=1; b=2");
  EXPECT_FALSE(inwards({{"Cookie", "matrx_session=x"}}).has("Cookie"));
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
  EXPECT_EQ(inwards({{"Upgrade", "websocket"}}, true).get("Connection"), "Upgrade");
}

TEST(Proxy, AnAnswerHasNoSayOverOurOrigin) {
  const auto headers = outwards({{"Clear-Site-Data", "\"*\""},
                                 {"strict-transport-security", "max-age=1"},
                                 {"Alt-Svc", "h2=\":1\""},
                                 {"Service-Worker-Allowed", "/"},
                                 {"X-Request-Id", "forged"},
                                 {"Set-Cookie", "matrx_session=x"},
                                 {"Set-Cookie", " =matrx_session=x; Path=/"},
                                 {"Set-Cookie", "own=1; Path=/"}});
  ASSERT_EQ(headers.lines().size(), 2U);
  EXPECT_EQ(headers.get("Set-Cookie"), "own=1; Path=/");
  EXPECT_TRUE(headers.get("Content-Security-Policy").starts_with("sandbox "));
  EXPECT_EQ(headers.get("Content-Security-Policy").find("same-origin"), std::string_view::npos);
}

}  // namespace
}  // namespace matrx::api
