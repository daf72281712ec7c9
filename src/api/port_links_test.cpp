// Links to ports: who has one comes in, and to nothing else.

#include "api/port_links.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace matrx::api {
namespace {

using std::chrono::minutes;

constexpr PortLinks::Time kStart{};
constexpr int kPort = 5173;
const std::string kPrefix = "/links/5ec";

http::Request request_with(std::vector<http::Headers::Line> lines,
                           http::Method method = http::Method::get) {
  http::Request request;
  request.method = method;
  for (auto& line : lines) request.headers.add(line.name, line.value);
  return request;
}

class PortLinksTest : public testing::Test {
 protected:
  PortLink link(int port, std::string session = "") {
    return {.sandbox = SandboxId::parse("sbx-0123456789ab").value(),
            .port = port,
            .session = std::move(session)};
  }
  SeededRandom random_{1};
  PortLinks links_{random_};
};

TEST_F(PortLinksTest, LeadToOnePortOfOneSandboxUntilTheyEnd) {
  const std::string secret = links_.make(link(8080), kStart + minutes(5));
  EXPECT_EQ(secret.size(), 64U);
  const auto found = links_.find(secret, kStart);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->port, 8080);
  EXPECT_EQ(found->sandbox.text(), "sbx-0123456789ab");
  EXPECT_FALSE(links_.find("", kStart));
  EXPECT_FALSE(links_.find(secret.substr(1), kStart));
  EXPECT_NE(links_.make(link(8080), kStart + minutes(5)), secret);
  EXPECT_FALSE(links_.find(secret, kStart + minutes(5)));
  EXPECT_FALSE(links_.find(secret, kStart)) << "it was forgotten";
}

TEST_F(PortLinksTest, EndWithTheSessionThatMadeThem) {
  const std::string mine = links_.make(link(1, "me"), kStart + minutes(5));
  const std::string other = links_.make(link(1, "other"), kStart + minutes(5));
  const std::string of_a_key = links_.make(link(1), kStart + minutes(5));
  links_.end_session("me");
  links_.end_session("");
  EXPECT_FALSE(links_.find(mine, kStart));
  EXPECT_TRUE(links_.find(other, kStart));
  EXPECT_TRUE(links_.find(of_a_key, kStart));
}

TEST_F(PortLinksTest, AreSoManyAtMost) {
  const std::string first = links_.make(link(1), kStart + minutes(1));
  while (links_.count() < kPortLinksMax) (void)links_.make(link(2), kStart + minutes(2));
  const std::string last = links_.make(link(3), kStart + minutes(2));
  EXPECT_EQ(links_.count(), kPortLinksMax);
  EXPECT_FALSE(links_.find(first, kStart));
  EXPECT_TRUE(links_.find(last, kStart));
}

TEST(PortLink, ItsSecretIsNotForTheLog) {
  EXPECT_EQ(without_secret(link_path("5ec") + "/assets/a.js"), "/links/…");
  for (const char* odd :
       {"/links/5ec", "//links/5ec/", "/%6Cinks/5ec/", "/a/../links/5ec", "/links%2f5ec"}) {
    EXPECT_EQ(without_secret(odd), "/links/…") << odd;
  }
  EXPECT_EQ(without_secret("/sandboxes"), "/sandboxes");
  EXPECT_EQ(without_secret("/%zz"), "/%zz");
}

TEST(PortLink, AProgramSeesItsOwnOriginAndItsPlace) {
  auto headers = request_with({{"Origin", "null"}, {"X-Forwarded-Prefix", "/forged"}}).headers;
  add_link_inwards(headers, kPort, kPrefix);
  EXPECT_EQ(headers.get("Origin"), "http://localhost:5173");
  EXPECT_EQ(headers.get("X-Forwarded-Prefix"), kPrefix);
  auto foreign = request_with({{"Origin", "https://evil.example"}}).headers;
  add_link_inwards(foreign, kPort, kPrefix);
  EXPECT_EQ(foreign.get("Origin"), "https://evil.example");
}

TEST(PortLink, RedirectionsStayBelowIt) {
  const auto moved = [](std::string location) {
    http::Headers headers;
    headers.add("Location", std::move(location));
    add_link_outwards(headers, "", kPort, kPrefix);
    return std::string(headers.get("Location"));
  };
  EXPECT_EQ(moved("/login?to=/"), kPrefix + "/login?to=/");
  EXPECT_EQ(moved("http://localhost:5173/x"), kPrefix + "/x");
  EXPECT_EQ(moved("http://127.0.0.1:5173"), kPrefix + "/");
  for (const char* elsewhere :
       {"x", "../x", "?a", "//evil.example/", "http://localhost:51730/", "https://evil.example/"}) {
    EXPECT_EQ(moved(elsewhere), elsewhere);
  }
}

TEST(PortLink, OnlyAPageWithAnOriginOfItsOwnReadsTheAnswers) {
  const auto answer = [](std::string_view origin) {
    http::Headers headers;
    headers.add("Content-Type", "text/plain");
    headers.add("Access-Control-Allow-Origin", "http://localhost:5173");
    add_link_outwards(headers, origin, kPort, kPrefix);
    return headers;
  };
  const auto own = answer("null");
  EXPECT_EQ(own.get("Access-Control-Allow-Origin"), "null");
  EXPECT_EQ(own.get("Access-Control-Allow-Credentials"), "true");
  EXPECT_TRUE(own.get("Access-Control-Expose-Headers").starts_with("Content-Type"));
  for (const auto& other : {answer("https://evil.example"), answer("")}) {
    EXPECT_EQ(other.get("Access-Control-Allow-Origin"), "http://localhost:5173");
    EXPECT_FALSE(other.has("Access-Control-Allow-Credentials"));
  }
  EXPECT_EQ(own.get("Referrer-Policy"), "no-referrer");
}

TEST(PortLink, OnlyTheQuestionBeforeARequestIsAnsweredHere) {
  using http::Method;
  const auto question = answer_preflight(request_with({{"Origin", "null"},
                                                       {"Access-Control-Request-Method", "PUT"},
                                                       {"Access-Control-Request-Headers", "x-a"}},
                                                      Method::options));
  ASSERT_TRUE(question);
  EXPECT_EQ(question->status, 204);
  EXPECT_EQ(question->headers.get("Access-Control-Allow-Methods"), "PUT");
  EXPECT_EQ(question->headers.get("Access-Control-Allow-Headers"), "x-a");
  EXPECT_FALSE(answer_preflight(request_with({{"Origin", "null"}}, Method::options)));
  EXPECT_FALSE(answer_preflight(
      request_with({{"Origin", "https://evil.example"}, {"Access-Control-Request-Method", "PUT"}},
                   Method::options)));
  EXPECT_FALSE(answer_preflight(
      request_with({{"Origin", "null"}, {"Access-Control-Request-Method", "PUT"}})));
}

}  // namespace
}  // namespace matrx::api
