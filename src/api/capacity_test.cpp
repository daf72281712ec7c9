// What the API says of a host that is full, small, or without its firewall.

#include <gtest/gtest.h>

#include "api/api.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx::api {
namespace {

class OneText : public http::BodyReader {
 public:
  explicit OneText(std::string text) : rest_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(rest_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

 private:
  std::string rest_;
};

class CapacityTest : public testing::Test {
 protected:
  CapacityTest() : api_(ApiSettings{.version = "1.2.3"}, life_.core(), random_) {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }

  http::Response send(http::Method method, std::string path, std::string body = "") {
    http::Request request;
    request.method = method;
    request.target = request.path = std::move(path);
    OneText reader(std::move(body));
    request.body_reader = &reader;
    return life_.await(api_.handle(request));
  }
  http::Response create(std::string body) {
    return send(http::Method::post, "/sandboxes", std::move(body));
  }
  // "503 unavailable": of readiness, and of the firewall in it.
  std::string readiness() {
    const http::Response response = send(http::Method::get, "/health/ready");
    std::string text = std::to_string(response.status);
    for (const auto& one : json::parse(response.body)->at("dependencies").as_array()) {
      if (one.at("name") == "firewall") text += " " + json::to_string(one.at("status").as_string());
    }
    return text;
  }
  bool is_measured(std::string_view line) {
    return send(http::Method::get, "/metrics").body.contains(line);
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1, {.limits = {.sandboxes_of_user = 1}}};
  SeededRandom random_{2};
  Api api_;
};

TEST_F(CapacityTest, AFirewallThatIsDownIsTold) {
  EXPECT_EQ(readiness(), "200") << "not ours to keep up";
  EXPECT_FALSE(is_measured("matrx_firewall"));
  world_.walls = {.state = Walls::State::down, .problem = "No iptables.", .failures = 7};
  EXPECT_EQ(readiness(), "200 unavailable") << "sandboxes are made without it";
  world_.walls.is_required = true;
  EXPECT_EQ(readiness(), "503 unavailable");
  EXPECT_TRUE(is_measured("\nmatrx_firewall_up 0\n"));
  EXPECT_TRUE(is_measured("\nmatrx_firewall_failures_total 7\n"));
  world_.walls = {.state = Walls::State::up, .is_required = true, .problem = {}, .repairs = 3};
  EXPECT_EQ(readiness(), "200 ok");
  EXPECT_TRUE(is_measured("\nmatrx_firewall_up 1\n"));
  EXPECT_TRUE(is_measured("\nmatrx_firewall_repairs_total 3\n"));
}

TEST_F(CapacityTest, MoreProcessorsThanThereAreAreRefused) {
  world_.cpus = 2;
  const http::Response refused = create(R"({"user_id":"u","resources":{"cpu":2.5}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_TRUE(refused.body.contains(R"(["body","resources","cpu"])")) << refused.body;
  EXPECT_TRUE(refused.body.contains("less than or equal to 2:")) << refused.body;
  EXPECT_EQ(create(R"({"user_id":"u","resources":{"cpu":2}})").status, 201);
}

TEST_F(CapacityTest, WhoHasEnoughIsToldWhyAndWhenToComeAgain) {
  EXPECT_EQ(create(R"({"user_id":"u"})").status, 201);
  const http::Response refused = create(R"({"user_id":"u"})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.body.contains("as one may have (1)")) << refused.body;
  EXPECT_FALSE(refused.headers.get("Retry-After").empty());
  EXPECT_EQ(create(R"({"user_id":"v"})").status, 201);
}

TEST_F(CapacityTest, AHostWithoutMemorySaysWhenToComeAgain) {
  world_.faults.no_room = true;
  const http::Response refused = create(R"({"user_id":"u"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_FALSE(refused.headers.get("Retry-After").empty());
}

}  // namespace
}  // namespace matrx::api
