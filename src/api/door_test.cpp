// Who is let in, and what strangers may cost: over a real core and a simulated world.

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "api/api.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx::api {
namespace {

using http::Method;
using Lines = std::vector<http::Headers::Line>;

class GivenBody : public http::BodyReader {
 public:
  explicit GivenBody(std::string text) : text_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

 private:
  std::string text_;
};

struct Heard {
  int status = 0;
  http::Headers headers;
  json::value body;
  bool was_known = false;

  std::string field(const char* name) const { return json::to_string(body.at(name).as_string()); }
};

class DoorTest : public testing::Test {
 protected:
  DoorTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    world_.faults.delay_max = milliseconds(10);
    use_keys({});
  }

  void use_keys(std::vector<std::string> keys) {
    ApiSettings settings{.version = "1.2.3"};
    settings.clock = &world_.clock;
    settings.public_origins = {"https://box.example"};
    settings.keys = std::move(keys);
    api_ = std::make_unique<Api>(std::move(settings), life_.core(), random_);
  }

  Heard send(Method method, std::string path, std::string body = "", Lines headers = {}) {
    http::Request request;
    request.method = method;
    request.path = std::move(path);
    for (auto& line : headers) request.headers.add(line.name, line.value);
    request.is_spare = std::exchange(is_spare_, false);
    GivenBody reader(std::move(body));
    request.body_reader = &reader;
    http::Response response = life_.await(api_->handle(request));
    return {.status = response.status,
            .headers = response.headers,
            .body = json::parse(response.body).value_or(json::value()),
            .was_known = request.is_known};
  }
  Heard get(std::string path) { return send(Method::get, std::move(path)); }

  SimWorld world_{1};
  SeededRandom random_{2};
  std::unique_ptr<Api> api_;  // outlives what is still under way in it
  OrchestratorLife life_{world_, 1};
  bool is_spare_ = false;  // the next request
};

// A page whose name leads here (DNS rebinding) is of its own origin, whatever it asks for.
TEST_F(DoorTest, WithoutKeysOnlyOurOwnNamesAreAnswered) {
  const Lines foreign = {{"Host", "evil.example:8000"}, {"Origin", "http://evil.example:8000"}};
  for (const Route& route : make_routes(Schemas{{}}, MachineSchemas{{}})) {
    const Heard answer = send(route.method, route.pattern, "{}", foreign);
    EXPECT_EQ(answer.status, 403) << route.pattern;
    EXPECT_FALSE(answer.was_known) << route.pattern;
  }
  EXPECT_EQ(send(Method::get, "/nothing", "", foreign).status, 403);
  EXPECT_EQ(
      send(Method::get, "/sandboxes/sbx-0123456789ab/pty", "",
           {{"Host", "evil.example"}, {"Origin", "http://evil.example"}, {"Upgrade", "websocket"}})
          .status,
      403);
  for (const char* ours : {"localhost:8000", "127.0.0.1:8000", "[::1]:8000", "box.example"}) {
    EXPECT_EQ(send(Method::get, "/sandboxes", "", {{"Host", ours}}).status, 200) << ours;
  }
  use_keys({"key-1"});
  EXPECT_EQ(send(Method::get, "/health", "", foreign).status, 200) << "a key is what counts there";
}

TEST_F(DoorTest, WhoHasAKeyIsKnown) {
  EXPECT_TRUE(get("/sandboxes").was_known) << "without keys everybody is";
  use_keys({"key-1"});
  const auto known = [&](const char* path, std::string key) {
    return send(Method::get, path, "", {{"X-API-Key", std::move(key)}}).was_known;
  };
  for (const char* path : {"/sandboxes", "/health", "/nothing"}) {
    EXPECT_TRUE(known(path, "key-1")) << path;
    EXPECT_FALSE(known(path, "key-2")) << path;
    EXPECT_FALSE(known(path, "")) << path;
  }
  EXPECT_FALSE(get("/links/none/").was_known);
}

TEST_F(DoorTest, OnASpareConnectionOnlyHealthIsAnswered) {
  for (const char* path : {"/health", "/sandboxes", "/health/ready", "/nothing", "/docs"}) {
    is_spare_ = true;
    const Heard answer = get(path);
    EXPECT_EQ(answer.status, std::string_view(path) == "/health" ? 200 : 503) << path;
    EXPECT_EQ(answer.headers.has("Retry-After"), answer.status == 503);
  }
}

TEST_F(DoorTest, KeysCanBeReplaced) {
  use_keys({"key-1"});
  const auto status = [&](std::string key) {
    return send(Method::get, "/sandboxes", "", {{"X-API-Key", std::move(key)}}).status;
  };
  const auto sign_in = [&] {
    const Heard answer = send(Method::post, "/dashboard/session", R"({"key":"key-1"})");
    const auto cookie = answer.headers.get("Set-Cookie");
    return std::string(cookie.substr(0, cookie.find(';')));
  };
  const std::string cookie = sign_in();
  const auto of_session = [&] {
    return send(Method::get, "/sandboxes", "", {{"Cookie", cookie}}).status;
  };
  EXPECT_EQ(of_session(), 200);
  api_->use_keys({"key-1", "key-2"});
  EXPECT_EQ(status("key-2"), 200);
  EXPECT_EQ(of_session(), 200) << "a key more is nobody's harm";
  api_->use_keys({"key-2"});
  EXPECT_EQ(status("key-1"), 403);
  EXPECT_EQ(of_session(), 401) << "what a key has opened ends with it";
}

TEST_F(DoorTest, ReadinessNamesWhatIsMissing) {
  EXPECT_EQ(get("/health/ready").field("status"), "ready");
  world_.faults.engine_down = true;
  life_.run_for(kReadyKept);
  const Heard answer = get("/health/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("status"), "not_ready");
  EXPECT_EQ(answer.body.at("dependencies").at(0).at("name"), "docker");
  EXPECT_EQ(answer.body.at("dependencies").at(0).at("status"), "unavailable");
  EXPECT_EQ(answer.body.at("dependencies").at(1).at("status"), "ok");
  EXPECT_EQ(get("/health").status, 200);
  world_.faults.engine_down = false;
  EXPECT_EQ(get("/health/ready").status, 503) << "an answer is kept";
  life_.run_for(kReadyKept);
  EXPECT_EQ(get("/health/ready").status, 200);
}

TEST_F(DoorTest, ReadinessTellsStrangersNoDetails) {
  use_keys({"key-1"});
  world_.faults.engine_down = true;
  const Heard stranger = get("/health/ready");
  EXPECT_EQ(stranger.status, 503);
  EXPECT_EQ(stranger.field("status"), "not_ready");
  EXPECT_TRUE(stranger.body.at("dependencies").as_array().empty());
  const Heard known = send(Method::get, "/health/ready", "", {{"X-API-Key", "key-1"}});
  EXPECT_EQ(known.status, 503);
  EXPECT_EQ(known.body.at("dependencies").as_array().size(), 3U);
}

// Whoever asks a thousand times at once costs what one costs.
TEST_F(DoorTest, ReadinessLooksOnceForAllWhoAsk) {
  int answered = 0;
  const auto ask = [&]() -> Task<void> {
    http::Request request;
    request.path = "/health/ready";
    const auto response = co_await api_->handle(request);
    answered += response.status == 200 ? 1 : 0;
  };
  const int before = world_.pings;
  for (int i = 0; i < 1000; ++i) life_.spawn(ask());
  life_.run_for(kReadyKept / 2);
  EXPECT_EQ(answered, 1000);
  EXPECT_EQ(world_.pings - before, 3) << "engine, store and storage";
  life_.run_for(kReadyKept);
  EXPECT_EQ(get("/health/ready").status, 200);
  EXPECT_EQ(world_.pings - before, 5) << "the storage's was kept";
  life_.run_for(kStorageReadyKept);
  EXPECT_EQ(get("/health/ready").status, 200);
  EXPECT_EQ(world_.pings - before, 8);
}

// Counted before the first wait: 339 of 256 got in.
TEST_F(DoorTest, ABurstOfReadersOfTheEventsIsBounded) {
  std::vector<http::Response> answers;
  const auto ask = [&]() -> Task<void> {
    http::Request request;
    request.path = "/events";
    answers.push_back(co_await api_->handle(request));
  };
  const std::size_t asked = kFeedReadersMax + 100;
  for (std::size_t i = 0; i < asked; ++i) life_.spawn(ask());
  life_.run_for(seconds(10));
  ASSERT_EQ(answers.size(), asked);
  const auto came_in = [](const http::Response& answer) { return answer.status == 200; };
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count_if(answers, came_in)), kFeedReadersMax);
  answers.clear();
  EXPECT_EQ(get("/events").status, 200) << "their places are free again";
}

}  // namespace
}  // namespace matrx::api
