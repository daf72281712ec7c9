// The dashboard's routes over a real core and a simulated world.

#include <gtest/gtest.h>

#include <array>

#include "api/api.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx::api {
namespace {

using http::Method;
using Lines = std::vector<http::Headers::Line>;

constexpr std::array<DashboardFile, 2> kFiles = {
    {{"assets/a-1.js", "text/javascript; charset=utf-8", "packed script"},
     {"index.html", "text/html; charset=utf-8", "packed page"}}};

class OneBody : public http::BodyReader {
 public:
  explicit OneBody(std::string text) : text_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

 private:
  std::string text_;
};

class DashboardTest : public testing::Test {
 protected:
  DashboardTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    make({"key-1"});
  }

  void make(std::vector<std::string> keys, std::vector<std::string> widget_origins = {},
            std::span<const DashboardFile> files = kFiles) {
    ApiSettings settings{.version = "1.2.3"};
    settings.keys = std::move(keys);
    settings.dashboard = files;
    settings.widget_origins = std::move(widget_origins);
    api_ = std::make_unique<Api>(std::move(settings), life_.core(), random_);
  }

  http::Response send(Method method, std::string path, Lines lines = {}, std::string body = "") {
    http::Request request;
    request.method = method;
    request.path = path;
    for (auto& line : lines) request.headers.add(line.name, line.value);
    OneBody reader(std::move(body));
    request.body_reader = &reader;
    return life_.await(api_->handle(request));
  }
  http::Response get(std::string path, Lines lines = {}) {
    return send(Method::get, std::move(path), std::move(lines));
  }
  http::Response sign_in(std::string key, Lines lines = {}) {
    return send(Method::post, "/dashboard/session", std::move(lines),
                json::serialize(json::object{{"key", key}}));
  }
  static std::string header(const http::Response& response, std::string_view name) {
    return std::string(response.headers.get(name));
  }
  static json::value body_of(const http::Response& response) {
    return json::parse(response.body).value_or(json::value());
  }

  // Signs in; what a browser would send from then on.
  Lines cookie() {
    const auto response = sign_in("key-1");
    csrf_ = json::to_string(body_of(response).at("csrf").as_string());
    const std::string set = header(response, "Set-Cookie");
    return {{"Cookie", set.substr(0, set.find(';'))}};
  }
  Lines with(Lines lines, std::string name, std::string value) {
    lines.push_back({std::move(name), std::move(value)});
    return lines;
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1};
  SeededRandom random_{2};
  std::unique_ptr<Api> api_;
  std::string csrf_;
};

TEST_F(DashboardTest, EveryPlaceIsThePage) {
  for (const char* path : {"/dashboard", "/dashboard/", "/dashboard/sandboxes/sbx-1/files"}) {
    const auto page = get(path);
    EXPECT_EQ(page.status, 200) << path;
    EXPECT_EQ(page.body, "packed page");
    EXPECT_EQ(header(page, "Content-Encoding"), "gzip");
    EXPECT_EQ(header(page, "Cache-Control"), "no-cache");
    EXPECT_EQ(header(page, "X-Frame-Options"), "DENY");
    EXPECT_EQ(header(page, "X-Content-Type-Options"), "nosniff");
    const std::string policy = header(page, "Content-Security-Policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self';")) << policy;
    EXPECT_TRUE(policy.ends_with("frame-ancestors 'none'")) << policy;
  }
}

TEST_F(DashboardTest, FilesAreKeptByBrowsersForEver) {
  const auto file = get("/dashboard/assets/a-1.js");
  EXPECT_EQ(file.body, "packed script");
  EXPECT_EQ(header(file, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(header(file, "Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(header(file, "X-Content-Type-Options"), "nosniff");
  for (const char* path :
       {"/dashboard/assets/gone.js", "/dashboard/assets/", "/dashboard/assets/../index.html"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
}

TEST_F(DashboardTest, ABuildWithoutOneSaysSo) {
  make({"key-1"}, {}, {});
  EXPECT_EQ(get("/dashboard").status, 404);
  EXPECT_NE(get("/dashboard").body.find("Node.js was missing"), std::string::npos);
}

TEST_F(DashboardTest, OnlyTheWidgetMayBeFramedAndOnlyByWhomTheSettingsName) {
  EXPECT_EQ(header(get("/dashboard/widget"), "X-Frame-Options"), "DENY");
  make({}, {"https://app.example", "http://localhost:3000"});
  const auto widget = get("/dashboard/widget");
  EXPECT_FALSE(widget.headers.has("X-Frame-Options"));
  EXPECT_TRUE(header(widget, "Content-Security-Policy")
                  .ends_with("frame-ancestors https://app.example http://localhost:3000"));
  for (const char* path : {"/dashboard", "/dashboard/widget/", "/dashboard/sandboxes"}) {
    EXPECT_EQ(header(get(path), "X-Frame-Options"), "DENY") << path;
  }
}

TEST_F(DashboardTest, AKeyIsExchangedForACookie) {
  EXPECT_EQ(get("/sandboxes").status, 401);
  EXPECT_EQ(sign_in("key-2").status, 403);
  EXPECT_FALSE(sign_in("key-2").headers.has("Set-Cookie"));
  EXPECT_EQ(send(Method::post, "/dashboard/session", {}, "{}").status, 422);
  const Lines browser = cookie();
  EXPECT_EQ(get("/sandboxes", browser).status, 200);
  EXPECT_EQ(get("/sandboxes", {{"Cookie", "matrx_session=" + std::string(64, '0')}}).status, 401);
  const auto state = body_of(get("/dashboard/session", browser));
  EXPECT_EQ(state.at("signed_in"), true);
  EXPECT_EQ(state.at("csrf").as_string(), csrf_);
}

TEST_F(DashboardTest, WhoIsNotSignedInLearnsNothing) {
  const auto answer = get("/dashboard/session");
  EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
  const auto state = body_of(answer);
  EXPECT_EQ(state.at("signed_in"), false);
  EXPECT_EQ(state.at("key_needed"), true);
  EXPECT_FALSE(state.as_object().contains("csrf"));
}

TEST_F(DashboardTest, TheCookieAloneChangesNothing) {
  const Lines browser = cookie();
  const std::string body = R"({"user_id":"u"})";
  EXPECT_EQ(send(Method::post, "/sandboxes", browser, body).status, 403);
  EXPECT_EQ(send(Method::post, "/sandboxes", with(browser, "X-Matrx-CSRF", "no"), body).status,
            403);
  EXPECT_TRUE(world_.containers.empty());
  EXPECT_EQ(send(Method::post, "/sandboxes", with(browser, "X-Matrx-CSRF", csrf_), body).status,
            201);
}

TEST_F(DashboardTest, AWrongKeyIsNotSavedByACookie) {
  EXPECT_EQ(get("/sandboxes", with(cookie(), "X-API-Key", "wrong")).status, 403);
}

TEST_F(DashboardTest, AWebSocketNeedsOurOrigin) {
  const Lines browser = with(with(cookie(), "Upgrade", "websocket"), "Host", "box:8000");
  const std::string path = "/sandboxes/sbx-0123456789ab/pty";
  EXPECT_EQ(get(path, browser).status, 403);
  EXPECT_EQ(get(path, with(browser, "Origin", "http://evil:8000")).status, 403);
  EXPECT_NE(get(path, with(browser, "Origin", "http://box:8000")).status, 403);
}

TEST_F(DashboardTest, OverTlsItsCookieIsForThisHostAlone) {
  const auto response = sign_in("key-1", {{"X-Forwarded-Proto", "https"}});
  const std::string set = header(response, "Set-Cookie");
  EXPECT_TRUE(set.starts_with("__Host-matrx_session=")) << set;
  EXPECT_TRUE(set.ends_with("; Secure")) << set;
  const std::string cookie = set.substr(0, set.find(';'));
  const auto status = [&](Lines lines) { return get("/sandboxes", std::move(lines)).status; };
  EXPECT_EQ(status({{"X-Forwarded-Proto", "https"}, {"Cookie", cookie}}), 200);
  // The same token under the name that a sibling of our host can set.
  const std::string plain = cookie.substr(std::string("__Host-").size());
  EXPECT_EQ(status({{"X-Forwarded-Proto", "https"}, {"Cookie", plain}}), 401);
}

TEST_F(DashboardTest, SigningOutEndsTheSession) {
  const Lines browser = cookie();
  EXPECT_EQ(send(Method::del, "/dashboard/session", browser).status, 403) << "by somebody else";
  const auto out = send(Method::del, "/dashboard/session", with(browser, "X-Matrx-CSRF", csrf_));
  EXPECT_EQ(out.status, 204);
  EXPECT_NE(header(out, "Set-Cookie").find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(get("/sandboxes", browser).status, 401);
}

TEST_F(DashboardTest, ANewSignInEndsTheOneBefore) {
  const Lines before = cookie();
  EXPECT_EQ(sign_in("key-1", before).status, 200);
  EXPECT_EQ(get("/sandboxes", before).status, 401);
}

TEST_F(DashboardTest, ALinkToAPortEndsWithTheSessionThatMadeIt) {
  const Lines browser = cookie();
  const Lines acting = with(browser, "X-Matrx-CSRF", csrf_);
  const auto box = send(Method::post, "/sandboxes", acting, R"({"user_id":"u"})");
  const std::string at =
      "/sandboxes/" + json::to_string(body_of(box).at("sandbox_id").as_string()) + "/links";
  EXPECT_EQ(send(Method::post, at, {}, R"({"port":80})").status, 401);
  EXPECT_EQ(send(Method::post, at, browser, R"({"port":80})").status, 403);
  EXPECT_EQ(send(Method::post, at, acting, R"({"port":0})").status, 422);
  EXPECT_EQ(
      send(Method::post, "/sandboxes/sbx-000000000000/links", acting, R"({"port":80})").status,
      404);
  const auto made = send(Method::post, at, acting, R"({"port":80})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string link = json::to_string(body_of(made).at("path").as_string());
  EXPECT_EQ(link.size(), std::string("/links//").size() + 64);
  EXPECT_EQ(get(link).status, 502) << "nobody listens there, but a stranger comes as far as that";
  EXPECT_EQ(get(link + "../../sandboxes").status, 502) << "a path of the program's, not of ours";
  EXPECT_EQ(get("/links/" + std::string(64, '0') + "/").status, 404);
  EXPECT_EQ(send(Method::del, "/dashboard/session", acting).status, 204);
  EXPECT_EQ(get(link).status, 404);
}

TEST_F(DashboardTest, NobodySignsInFromAnotherPage) {
  EXPECT_EQ(sign_in("key-1", {{"Origin", "http://evil"}, {"Host", "box:8000"}}).status, 403);
  EXPECT_EQ(sign_in("key-1", {{"Origin", "http://box:8000"}, {"Host", "box:8000"}}).status, 200);
}

TEST_F(DashboardTest, WithoutKeysEverybodyIsInButNoForeignPage) {
  make({});
  const auto state = body_of(get("/dashboard/session"));
  EXPECT_EQ(state.at("signed_in"), true);
  EXPECT_EQ(state.at("key_needed"), false);
  const std::string body = R"({"user_id":"u"})";
  const Lines foreign = {{"Origin", "http://evil"}, {"Host", "127.0.0.1:8000"}};
  EXPECT_EQ(send(Method::post, "/sandboxes", foreign, body).status, 403);
  EXPECT_EQ(get("/sandboxes/sbx-0123456789ab/pty", with(foreign, "Upgrade", "websocket")).status,
            403);
  EXPECT_EQ(get("/sandboxes", foreign).status, 200) << "its script cannot read the answer";
  EXPECT_EQ(send(Method::post, "/sandboxes", {}, body).status, 201);
  EXPECT_EQ(sign_in("anything").status, 200);
}

}  // namespace
}  // namespace matrx::api
