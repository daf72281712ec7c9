// The API over a real core and a simulated world: what callers see.

#include "api/api.hpp"

#include <gtest/gtest.h>

#include "api/errors.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx::api {
namespace {

using http::Method;

const TimePoint kBegin = from_unix_ms(1'700'000'000'000);
constexpr std::size_t kPieceBytes = 4096;

class TextBody : public http::BodyReader {
 public:
  explicit TextBody(std::string text) : rest_(std::move(text)) {}
  Task<Result<std::string>> read_some() override {
    ++reads;
    if (rest_ == "a bug") throw std::runtime_error("with /inner/details");
    std::string piece = rest_.substr(0, kPieceBytes);
    rest_.erase(0, piece.size());
    co_return piece;
  }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

  int reads = 0;

 private:
  std::string rest_;
};

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string text;
  json::value body;
  int body_reads = 0;

  std::string field(const char* name) const {
    const auto* found = body.is_object() ? body.get_object().if_contains(name) : nullptr;
    return found != nullptr && found->is_string() ? json::to_string(found->get_string()) : "";
  }
  // "loc.loc:type" of each problem of a 422.
  std::vector<std::string> problems() const {
    std::vector<std::string> all;
    for (const auto& problem : body.at("detail").as_array()) {
      std::string line;
      for (const auto& step : problem.at("loc").as_array()) {
        line += (line.empty() ? "" : ".") + json::to_string(step.as_string());
      }
      EXPECT_FALSE(problem.at("msg").as_string().empty());
      all.push_back(line + ":" + json::to_string(problem.at("type").as_string()));
    }
    return all;
  }
};

using Problems = std::vector<std::string>;
using Lines = std::vector<http::Headers::Line>;

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    use_keys({});
  }

  void use_keys(std::vector<std::string> keys, std::string header = "X-API-Key") {
    ApiSettings settings{.version = "1.2.3"};
    settings.keys = std::move(keys);
    settings.key_header = std::move(header);
    api_ = std::make_unique<Api>(std::move(settings), life_.core(), random_);
  }

  Answer send(Method method, std::string target, std::string body = "", Lines headers = {}) {
    http::Request request;
    request.method = method;
    request.target = target;
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    for (auto& line : headers) request.headers.add(line.name, line.value);
    TextBody reader(std::move(body));
    request.body_reader = &reader;
    http::Response response = life_.await(api_->handle(request));
    Answer answer{.status = response.status,
                  .headers = response.headers,
                  .text = response.body,
                  .body = json::parse(response.body).value_or(json::value()),
                  .body_reads = reader.reads};
    return answer;
  }
  Answer get(std::string target) { return send(Method::get, std::move(target)); }
  Answer post(std::string target, std::string body = "{}") {
    return send(Method::post, std::move(target), std::move(body));
  }

  // Creates a sandbox and answers "/sandboxes/<id>".
  std::string new_sandbox(std::string body = R"({"user_id":"user-1"})") {
    const Answer created = post("/sandboxes", std::move(body));
    EXPECT_EQ(created.status, 201) << created.text;
    return "/sandboxes/" + created.field("sandbox_id");
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1};
  SeededRandom random_{2};
  std::unique_ptr<Api> api_;
};

// --- Paths and methods -------------------------------------------------------------------------

TEST_F(ApiTest, RootIsTheServiceAndHealthIsHealth) {
  const Answer root = get("/");
  EXPECT_EQ(root.status, 200);
  EXPECT_EQ(root.field("service"), "matrx-sandbox");
  EXPECT_EQ(root.field("version"), "1.2.3");
  const Answer health = get("/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.field("status"), "healthy");
  EXPECT_EQ(health.body.at("active_sandboxes"), 0);
}

TEST_F(ApiTest, HealthCountsLivingSandboxes) {
  const std::string path = new_sandbox();
  EXPECT_EQ(get("/health").body.at("active_sandboxes"), 1);
  send(Method::del, path);
  EXPECT_EQ(get("/health").body.at("active_sandboxes"), 0);
}

TEST_F(ApiTest, UnknownPathsAreNotFoundInJson) {
  for (const char* path : {"/nothing", "/health/", "//", "/sandboxes/a/b/c", "*"}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.field("code"), "not_found");
    EXPECT_FALSE(answer.field("detail").empty());
    EXPECT_EQ(answer.field("request_id"), answer.headers.get("X-Request-Id"));
  }
}

TEST_F(ApiTest, AWrongMethodNamesTheRightOnes) {
  const Answer answer = send(Method::put, "/sandboxes");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.get("Allow"), "POST, GET, HEAD");
  EXPECT_EQ(send(Method::get, "/sandboxes/sbx-0123456789ab/exec").headers.get("Allow"), "POST");
}

TEST_F(ApiTest, HeadIsAnsweredAsGet) { EXPECT_EQ(send(Method::head, "/health").status, 200); }

TEST_F(ApiTest, ABugSaysNothingOfTheInside) {
  const Answer answer = post("/sandboxes", "a bug");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.field("code"), "internal");
  EXPECT_EQ(answer.text.find("/inner/details"), std::string::npos);
}

// --- Keys --------------------------------------------------------------------------------------

TEST_F(ApiTest, WithoutKeysEverybodyMayCome) { EXPECT_EQ(get("/sandboxes").status, 200); }

TEST_F(ApiTest, AKeyIsNeededWhereOneIsSet) {
  use_keys({"key-1", "key-2"});
  const Answer without = get("/sandboxes");
  EXPECT_EQ(without.status, 401);
  EXPECT_EQ(without.headers.get("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(without.field("code"), "unauthenticated");
  const auto status = [&](std::string name, std::string value) {
    return send(Method::get, "/sandboxes", "", {{std::move(name), std::move(value)}}).status;
  };
  EXPECT_EQ(status("X-API-Key", "key-1"), 200);
  EXPECT_EQ(status("x-api-key", "key-2"), 200);
  EXPECT_EQ(status("X-API-Key", "key-3"), 403);
  EXPECT_EQ(status("X-API-Key", "key-"), 403);
  EXPECT_EQ(status("X-API-Key", "key-1key-2"), 403);
  EXPECT_EQ(status("X-API-Key", ""), 401);
  EXPECT_EQ(status("Authorization", "Bearer key-2"), 200);
  EXPECT_EQ(status("Authorization", "bearer   key-2"), 200);
  EXPECT_EQ(status("Authorization", "Bearer key-3"), 403);
  EXPECT_EQ(status("Authorization", "Bearer "), 401);
  EXPECT_EQ(status("Authorization", "Basic key-1"), 401);
}

TEST_F(ApiTest, AForeignKeyHeaderIsNoKey) {
  use_keys({"key-1"}, "X-Ours");
  EXPECT_EQ(send(Method::get, "/sandboxes", "", {{"X-API-Key", "key-1"}}).status, 401);
  EXPECT_EQ(send(Method::get, "/sandboxes", "", {{"X-Ours", "key-1"}}).status, 200);
}

TEST_F(ApiTest, OpenPathsNeedNoKey) {
  use_keys({"key-1"});
  for (const char* path : {"/", "/health", "/health/ready", "/openapi.json", "/docs"}) {
    EXPECT_EQ(get(path).status, 200) << path;
  }
}

TEST_F(ApiTest, EveryOtherPathNeedsOneAlsoWhereItDoesNotExist) {
  use_keys({"key-1"});
  for (const Route& route : make_routes(Schemas{{}}, MachineSchemas{{}})) {
    if (route.open) continue;
    EXPECT_EQ(send(route.method, route.pattern, "{}").status, 401) << route.pattern;
  }
  EXPECT_EQ(get("/nothing").status, 401);
}

TEST_F(ApiTest, StrangersBodiesAreNotRead) {
  use_keys({"key-1"});
  EXPECT_EQ(post("/sandboxes", R"({"user_id":"u"})").body_reads, 0);
  EXPECT_TRUE(world_.containers.empty());
}

// --- Request ids -------------------------------------------------------------------------------

TEST_F(ApiTest, ARequestIdIsEchoed) {
  const auto echoed = [&](std::string id) {
    return std::string(send(Method::get, "/health", "", {{"X-Request-Id", std::move(id)}})
                           .headers.get("X-Request-Id"));
  };
  EXPECT_EQ(echoed("trace-1.2_3"), "trace-1.2_3");
  for (const std::string& odd : {std::string("a b"), std::string("<x>"), std::string(65, 'a')}) {
    EXPECT_TRUE(echoed(odd).starts_with("req-")) << odd;
  }
  EXPECT_NE(echoed(""), echoed(""));
}

TEST_F(ApiTest, TheHistoryNamesTheRequest) {
  const std::string path = new_sandbox();
  send(Method::del, path, "", {{"X-Request-Id", "my-delete"}});
  const Answer history = get(path + "/events");
  EXPECT_EQ(history.body.at("events").as_array().back().at("actor"), "api:my-delete");
}

// --- Create ------------------------------------------------------------------------------------

TEST_F(ApiTest, CreatesASandboxThatIsReady) {
  const Answer created = post("/sandboxes", R"({"user_id":"user-1","ttl_seconds":60,"name":"n",
      "config":{"a":[1]},"labels":{"team":"red"},"resources":{"cpu":2,"memory_mb":256}})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.headers.get("Location"), "/sandboxes/" + created.field("sandbox_id"));
  EXPECT_EQ(created.field("status"), "ready");
  EXPECT_EQ(created.field("user_id"), "user-1");
  EXPECT_EQ(created.field("name"), "n");
  EXPECT_EQ(created.field("created_at"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(created.field("expires_at"), "2023-11-14T22:14:20.000Z");
  EXPECT_EQ(json::serialize(created.body.at("config")), R"({"a":[1]})");
  EXPECT_EQ(created.body.at("labels").at("team"), "red");
  EXPECT_EQ(created.body.at("resources").at("memory_mb"), 256);
  EXPECT_EQ(get("/sandboxes/" + created.field("sandbox_id")).text, created.text);
}

TEST_F(ApiTest, AMissingFieldIsReportedAsFastApiDoes) {
  const Answer answer = post("/sandboxes", "{}");
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(json::serialize(answer.body.at("detail")),
            R"([{"loc":["body","user_id"],"msg":"Field required","type":"missing"}])");
}

TEST_F(ApiTest, EveryProblemOfABodyIsReportedAtOnce) {
  const Answer answer = post("/sandboxes", R"({"user_id":"a/b","ttl_seconds":0,"config":[],
      "template":"other","labels":{"a":1},"env":{"1A":"x"},"resources":{"cpu":0,"memory_mb":"x"}})");
  EXPECT_EQ(answer.status, 422);
  const Problems problems = answer.problems();
  ASSERT_EQ(problems.size(), 8U) << answer.text;
  EXPECT_EQ(problems[0], "body.user_id:string_pattern_mismatch");
  EXPECT_EQ(problems[1], "body.config:dict_type");
  EXPECT_EQ(problems[2], "body.ttl_seconds:greater_than_equal");
  EXPECT_EQ(problems[6], "body.resources.cpu:greater_than_equal");
  EXPECT_EQ(problems[7], "body.resources.memory_mb:int_type");
  EXPECT_TRUE(world_.containers.empty());
}

TEST_F(ApiTest, AnAllowlistAndItsModeBelongTogether) {
  const auto problems = [&](const std::string& fields) {
    return post("/sandboxes", R"({"user_id":"u",)" + fields + "}").problems();
  };
  EXPECT_EQ(problems(R"("egress":"allowlist")"), Problems{"body.egress_allow:missing"});
  for (const char* fields :
       {R"("egress_allow":["a.com"])", R"("egress":"none","egress_allow":["a.com"])",
        R"("egress":"allowlist","egress_allow":[])",
        R"("egress":"allowlist","egress_allow":["a.com:443"])"}) {
    EXPECT_EQ(problems(fields), Problems{"body.egress_allow:value_error"}) << fields;
  }
  EXPECT_EQ(problems(R"("egress":"allowlist","egress_allow":"a.com")"),
            Problems{"body.egress_allow:list_type"});
  EXPECT_TRUE(world_.containers.empty());
  EXPECT_EQ(
      post("/sandboxes", R"({"user_id":"u","egress":"allowlist","egress_allow":["a.com"]})").status,
      201);
}

TEST_F(ApiTest, ABodyThatIsNoObjectIsRefused) {
  EXPECT_EQ(post("/sandboxes", "{").problems(), Problems{"body:json_invalid"});
  EXPECT_EQ(post("/sandboxes", "").problems(), Problems{"body:json_invalid"});
  EXPECT_EQ(post("/sandboxes", "[]").problems(), Problems{"body:dict_type"});
}

TEST_F(ApiTest, ALifetimeHasItsCeiling) {
  EXPECT_EQ(post("/sandboxes", R"({"user_id":"u","ttl_seconds":86401})").problems(),
            Problems{"body.ttl_seconds:less_than_equal"});
  EXPECT_EQ(post("/sandboxes", R"({"user_id":"u","ttl_seconds":86400})").status, 201);
}

TEST_F(ApiTest, TooLargeABodyIsNotReadToItsEnd) {
  const Answer answer = post("/sandboxes", std::string(3 * kJsonBodyBytesMax, ' '));
  EXPECT_EQ(answer.status, 413);
  EXPECT_LE(static_cast<std::size_t>(answer.body_reads), kJsonBodyBytesMax / kPieceBytes + 1);
}

TEST_F(ApiTest, WithoutAnEngineCreateSaysTryAgainAndLeavesNothing) {
  world_.faults.engine_down = true;
  const Answer answer = post("/sandboxes", R"({"user_id":"u"})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.get("Retry-After"), "2");
  EXPECT_EQ(get("/sandboxes").body.at("total"), 0);
}

TEST_F(ApiTest, AContainerThatVanishesBeforeItsStartIsNoSandboxThatIsNotFound) {
  world_.faults.containers_vanish = true;
  EXPECT_EQ(post("/sandboxes", R"({"user_id":"u"})").status, 503);
}

TEST_F(ApiTest, AnAgentThatNeverAnswersFailsTheCreate) {
  world_.faults.agent_never_ready = 1;
  EXPECT_EQ(post("/sandboxes", R"({"user_id":"u"})").status, 504);
  const Answer list = get("/sandboxes");
  EXPECT_EQ(list.body.at("sandboxes").at(0).at("status"), "failed");
  EXPECT_TRUE(world_.containers.empty());
}

// --- Read --------------------------------------------------------------------------------------

TEST_F(ApiTest, UnknownSandboxesAreNotFoundEverywhere) {
  for (const std::string& id : {std::string("sbx-0123456789ab"), std::string("odd"),
                                std::string("%2e%2e"), std::string("sbx-0123456789ab%00")}) {
    const std::string path = "/sandboxes/" + id;
    EXPECT_EQ(get(path).status, 404) << id;
    EXPECT_EQ(get(path + "/events").status, 404) << id;
    EXPECT_EQ(send(Method::del, path).status, 404) << id;
    EXPECT_EQ(post(path + "/exec", R"({"command":"x"})").status, 404) << id;
    EXPECT_EQ(post(path + "/heartbeat").status, 404) << id;
    EXPECT_EQ(post(path + "/complete").status, 404) << id;
    EXPECT_EQ(post(path + "/error", R"({"error":"x"})").status, 404) << id;
  }
}

TEST_F(ApiTest, ListsByUserAndInPages) {
  for (int i = 0; i < 3; ++i) new_sandbox();
  new_sandbox(R"({"user_id":"user-2","labels":{"team":"red"}})");
  EXPECT_EQ(get("/sandboxes").body.at("total"), 4);
  EXPECT_EQ(get("/sandboxes?user_id=user-2").body.at("total"), 1);
  EXPECT_EQ(get("/sandboxes?label=team:red").body.at("total"), 1);
  EXPECT_EQ(get("/sandboxes?status=stopped").body.at("total"), 0);
  const Answer first = get("/sandboxes?limit=3");
  EXPECT_EQ(first.body.at("sandboxes").as_array().size(), 3U);
  const Answer second = get("/sandboxes?limit=3&cursor=" + first.field("next_cursor"));
  EXPECT_EQ(second.body.at("sandboxes").as_array().size(), 1U);
  EXPECT_EQ(second.field("next_cursor"), "");
}

TEST_F(ApiTest, OddListParametersAreRefusedTogether) {
  EXPECT_EQ(get("/sandboxes?user_id=a%2Fb&status=alive&label=x&limit=0").problems(),
            (Problems{"query.user_id:string_pattern_mismatch", "query.status:enum",
                      "query.label:string_pattern_mismatch", "query.limit:greater_than_equal"}));
  EXPECT_EQ(get("/sandboxes?limit=1001").problems(), Problems{"query.limit:less_than_equal"});
  EXPECT_EQ(get("/sandboxes?limit=ten").problems(), Problems{"query.limit:int_parsing"});
  EXPECT_EQ(get("/sandboxes?cursor=odd").status, 400);
}

// --- Destroy -----------------------------------------------------------------------------------

TEST_F(ApiTest, DestroyLeavesNothingAndMayBeRepeated) {
  const std::string path = new_sandbox();
  EXPECT_EQ(send(Method::del, path).status, 204);
  EXPECT_TRUE(world_.containers.empty());
  EXPECT_EQ(send(Method::del, path).status, 204);
  const Answer row = get(path);
  EXPECT_EQ(row.field("status"), "stopped");
  EXPECT_EQ(row.field("stop_reason"), "user_requested");
  EXPECT_FALSE(row.field("stopped_at").empty());
}

TEST_F(ApiTest, DestroyTakesAReasonAndImpatience) {
  const std::string path = new_sandbox();
  EXPECT_EQ(send(Method::del, path + "?graceful=maybe&reason=boredom").problems(),
            (Problems{"query.graceful:bool_parsing", "query.reason:enum"}));
  EXPECT_EQ(get(path).field("status"), "ready");
  EXPECT_EQ(send(Method::del, path + "?graceful=false&reason=admin").status, 204);
  EXPECT_EQ(get(path).field("stop_reason"), "admin");
}

// --- Exec --------------------------------------------------------------------------------------

TEST_F(ApiTest, RunsACommand) {
  const std::string path = new_sandbox();
  const Answer answer = post(path + "/exec", R"({"command":"echo"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("stdout"), "echo");
  EXPECT_EQ(answer.body.at("exit_code"), 0);
  EXPECT_EQ(answer.body.at("timed_out"), false);
  EXPECT_EQ(get(path).field("status"), "running");
}

TEST_F(ApiTest, ChecksACommandBeforeItRuns) {
  const std::string path = new_sandbox() + "/exec";
  EXPECT_EQ(post(path, "{}").problems(), Problems{"body.command:missing"});
  EXPECT_EQ(post(path, R"({"command":"","timeout":601,"user":"a b","cwd":"","env":{"A=":""}})")
                .problems(),
            (Problems{"body.command:string_too_short", "body.timeout:less_than_equal",
                      "body.user:string_pattern_mismatch", "body.cwd:string_too_short",
                      post(path, R"({"command":"x","env":{"A=":""}})").problems().at(0)}));
  EXPECT_EQ(post(path, R"({"command":"x","timeout":true})").problems(),
            Problems{"body.timeout:int_type"});
  EXPECT_EQ(post(path, R"({"command":")" + std::string(10'001, 'x') + "\"}").problems(),
            Problems{"body.command:string_too_long"});
}

TEST_F(ApiTest, ADeadSandboxRunsNothingAndSaysWhy) {
  const std::string path = new_sandbox();
  send(Method::del, path + "?reason=admin");
  const Answer answer = post(path + "/exec", R"({"command":"x"})");
  EXPECT_EQ(answer.status, 410);
  EXPECT_NE(answer.field("detail").find("stopped"), std::string::npos);
  EXPECT_NE(answer.field("detail").find("admin"), std::string::npos);
}

TEST_F(ApiTest, ASandboxThatDiesUnderItsCommandIsGone) {
  const std::string path = new_sandbox();
  world_.end_container(world_.containers.begin()->first, 137);
  EXPECT_EQ(post(path + "/exec", R"({"command":"x"})").status, 410);
  EXPECT_EQ(get(path).field("stop_reason"), "lost");
}

// --- What its agent says -----------------------------------------------------------------------

TEST_F(ApiTest, AHeartbeatIsNoted) {
  const std::string path = new_sandbox();
  const Answer answer = post(path + "/heartbeat", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.at("acknowledged"), true);
  EXPECT_EQ(get(path).field("last_heartbeat_at"), "2023-11-14T22:13:20.000Z");
  send(Method::del, path);
  EXPECT_EQ(post(path + "/heartbeat").status, 410);
}

TEST_F(ApiTest, CompleteStopsItAlsoWithoutABody) {
  const std::string path = new_sandbox();
  const Answer answer = post(path + "/complete", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("status"), "shutting_down");
  life_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(get(path).field("status"), "stopped");
  EXPECT_EQ(get(path).field("stop_reason"), "graceful_shutdown");
  EXPECT_EQ(post(path + "/complete").status, 410);
}

TEST_F(ApiTest, AnErrorIsKeptInTheHistory) {
  const std::string path = new_sandbox();
  EXPECT_EQ(post(path + "/error", "{}").problems(), Problems{"body.error:missing"});
  const Answer answer = post(path + "/error", R"({"error":"broken","details":{"line":7}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.at("error_received"), true);
  life_.run_for(std::chrono::seconds(10));
  EXPECT_EQ(get(path).field("stop_reason"), "error");
  const Answer history = get(path + "/events");
  EXPECT_NE(history.text.find("agent_error"), std::string::npos);
  EXPECT_NE(history.text.find(R"(broken\n{\"line\":7})"), std::string::npos) << history.text;
}

TEST_F(ApiTest, TheHistoryIsInOrder) {
  const std::string path = new_sandbox();
  post(path + "/exec", R"({"command":"x"})");
  send(Method::del, path);
  std::vector<std::string> statuses;
  const Answer history = get(path + "/events");
  for (const auto& event : history.body.at("events").as_array()) {
    statuses.push_back(json::to_string(event.at("status").as_string()));
  }
  EXPECT_EQ(statuses, (std::vector<std::string>{"creating", "starting", "ready", "running",
                                                "shutting_down", "shutting_down", "stopped"}));
}

// --- Documents -------------------------------------------------------------------

TEST_F(ApiTest, TheDocumentHasEveryRoute) {
  const Answer document = get("/openapi.json");
  EXPECT_EQ(document.field("openapi"), "3.1.0");
  std::size_t operations = 0;
  for (const auto& path : document.body.at("paths").as_object()) {
    operations += path.value().as_object().size();
  }
  const auto routes = make_routes(Schemas{{}}, MachineSchemas{{}});
  EXPECT_EQ(operations, routes.size());
  for (const Route& route : routes) {
    std::string method(http::method_name(route.method));
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    std::string path = route.pattern;
    if (const auto dots = path.find("...}"); dots != std::string::npos) path.erase(dots, 3);
    const auto& operation = document.body.at("paths").at(path).at(method);
    EXPECT_FALSE(operation.at("summary").as_string().empty()) << route.pattern;
    EXPECT_EQ(operation.at("responses").as_object().contains("401"), !route.open);
    EXPECT_EQ(operation.as_object().contains("requestBody"), !route.request_schema.empty());
  }
}

TEST_F(ApiTest, TheDocumentTellsTheLimitsThatAreChecked) {
  const Answer document = get("/openapi.json");
  const auto& create = document.body.at("paths").at("/sandboxes").at("post");
  const auto& fields =
      create.at("requestBody").at("content").at("application/json").at("schema").at("properties");
  EXPECT_EQ(fields.at("ttl_seconds").at("maximum"), 86'400);
  EXPECT_EQ(fields.at("user_id").at("pattern"), "^[a-zA-Z0-9._-]{1,255}$");
}

TEST_F(ApiTest, TheDocumentNamesTheKeyHeaderButNoKey) {
  use_keys({"secret-key"}, "X-Ours");
  const std::string text = get("/openapi.json").text;
  EXPECT_NE(text.find("X-Ours"), std::string::npos);
  EXPECT_EQ(text.find("secret-key"), std::string::npos);
}

TEST_F(ApiTest, TheDocsPageLoadsNothingFromElsewhere) {
  const Answer page = get("/docs");
  EXPECT_TRUE(page.headers.get("Content-Type").starts_with("text/html"));
  EXPECT_TRUE(page.headers.get("Content-Security-Policy").starts_with("default-src 'none'"));
  for (const char* elsewhere : {"src=\"http", "href=\"http", "src=\"//", "@import"}) {
    EXPECT_EQ(page.text.find(elsewhere), std::string::npos) << elsewhere;
  }
}

// --- Errors ------------------------------------------------------------------------------------

TEST(Errors, EveryCodeHasItsStatus) {
  const std::pair<Code, int> table[] = {
      {Code::invalid, 400},   {Code::unauthenticated, 401}, {Code::forbidden, 403},
      {Code::not_found, 404}, {Code::conflict, 409},        {Code::gone, 410},
      {Code::too_large, 413}, {Code::exhausted, 429},       {Code::unavailable, 503},
      {Code::timeout, 504},   {Code::unsupported, 501},     {Code::cancelled, 503},
      {Code::internal, 500},  {Code::home_not_saved, 409},
  };
  for (const auto& [code, status] : table) EXPECT_EQ(status_of(code), status) << code_name(code);
}

TEST(Errors, WhatIsInternalStaysInside) {
  log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  const auto response = error_response({Code::internal, "sorry", "/var/secret"}, "req-1");
  EXPECT_NE(response.body.find("sorry"), std::string::npos);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace matrx::api
