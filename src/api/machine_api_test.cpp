// The routes into sandboxes, over a real core and a simulated machine: what they take and refuse.

#include <gtest/gtest.h>

#include "api/api.hpp"
#include "base/log.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx::api {
namespace {

using http::Method;
using Kind = ProcessEvent::Kind;

class WholeBody : public http::BodyReader {
 public:
  explicit WholeBody(std::string text) : rest_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(rest_, {}); }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

 private:
  std::string rest_;
};

class TextWriter : public http::BodyWriter {
 public:
  Task<Result<void>> write(std::string_view piece) override {
    text += piece;
    co_return Result<void>();
  }
  bool is_over() override { return false; }
  std::string text;
};

class Door : public AccessDoor {
 public:
  Result<AccessGrant> grant(const SandboxId& id, seconds lifetime) override {
    asked = id.text() + " " + std::to_string(lifetime.count());
    return AccessGrant{.private_key = "secret",
                       .username = id.text() + ".1.2",
                       .port = 2222,
                       .host_key = "ssh-ed25519 AAAA",
                       .host_key_fingerprint = "SHA256:x"};
  }
  std::string asked;
};

class MachineApiTest : public testing::Test {
 protected:
  MachineApiTest()
      : api_(ApiSettings{.version = "1.2.3", .access = &door_}, life_.core(), random_) {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    CreateSpec spec;
    spec.user_id = "user";
    box_ = "/sandboxes/" +
           life_.await(life_.core().create(std::move(spec), {"test"})).value().id.text();
    life_.machine().script = {
        {.kind = Kind::start, .pid = 7, .cwd = "/tmp"},
        {.kind = Kind::data, .bytes = "a\xc3", .offset = 0},
        {.kind = Kind::quiet},
        {.kind = Kind::data, .bytes = "\xa9", .offset = 2},
        {.kind = Kind::data, .stream = OutputStream::standard_error, .bytes = "e", .offset = 3},
        {.kind = Kind::gap, .lost_from = 4, .offset = 9},
        {.kind = Kind::end, .offset = 9, .end = {.exit_code = 3}}};
  }

  // The status; what came is in body_.
  int send(Method method, const std::string& target, std::string body = "",
           const std::string& accept = "") {
    http::Request request;
    request.method = method;
    request.target = target;
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    if (!accept.empty()) request.headers.add("Accept", accept);
    WholeBody reader(std::move(body));
    request.body_reader = &reader;
    http::Response response = life_.await(api_.handle(request));
    body_ = response.body;
    if (response.stream) {
      TextWriter writer;
      auto write = [](http::Response& from, TextWriter& to) -> Task<bool> {
        co_await from.stream(to);
        co_return true;
      };
      life_.await(write(response, writer));
      body_ = writer.text;
    }
    return response.status;
  }
  int post(const std::string& rest, std::string body) {
    return send(Method::post, box_ + rest, std::move(body));
  }

  // The path of a process that was started.
  std::string new_process() {
    EXPECT_EQ(post("/processes", R"({"command":"true"})"), 201) << body_;
    return "/processes/" + life_.machine().started.back().tag;
  }

  SimWorld world_{1};
  OrchestratorLife life_{world_, 1};
  SeededRandom random_{2};
  Door door_;
  Api api_;
  std::string box_, body_;
};

TEST_F(MachineApiTest, AStreamTellsAllInOrder) {
  EXPECT_EQ(post("/exec/stream", R"({"command":"x","timeout_seconds":9})"), 200);
  EXPECT_EQ(life_.machine().started.back().timeout, seconds(9));
  const std::vector<std::string> parts = {
      "event: start\n",
      "id: 1\nevent: stdout\ndata: {\"data\":\"a\",\"offset\":0}\n",  // half of é is held back
      ": still here\n",
      "id: 3\nevent: stdout\ndata: {\"data\":\"\u00e9\"",
      "id: 4\nevent: stderr\ndata: {\"data\":\"e\",\"offset\":3}\n",
      "id: 9\nevent: gap\ndata: {\"from\":4,\"to\":9}\n",
      "id: 9\nevent: exit\ndata: {\"exit_code\":3,"};
  std::size_t at = 0;
  for (const std::string& part : parts) {
    const auto found = body_.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << " in " << body_;
    at = found + part.size();
  }
  EXPECT_EQ(post("/exec/stream?encoding=base64", R"({"command":"x"})"), 200);
  EXPECT_NE(body_.find(R"({"data":"YcM=","offset":0})"), std::string::npos) << body_;
  EXPECT_EQ(post("/exec/stream?encoding=hex", R"({"command":"x"})"), 422);
}

TEST_F(MachineApiTest, ABrokenStreamSaysSo) {
  life_.machine().script.resize(2);
  EXPECT_EQ(post("/exec/stream", R"({"command":"x"})"), 200);
  EXPECT_EQ(body_.find("event: exit"), std::string::npos);
  EXPECT_NE(body_.find("event: error\ndata: {\"code\":\"unavailable\""), std::string::npos)
      << body_;
}

TEST_F(MachineApiTest, WhatIsStartedIsWhatWasAskedFor) {
  EXPECT_EQ(post("/processes", R"({"argv":["ls","-l"],"user":"root","cwd":"/etc","stdin":true,)"
                               R"("tty":true,"cols":90,"rows":20,"timeout":5})"),
            201);
  const ProcessStart& start = life_.machine().started.back();
  EXPECT_EQ(start.command, "ls");
  EXPECT_EQ(start.arguments, std::vector<std::string>{"-l"});
  EXPECT_FALSE(start.is_shell);
  EXPECT_EQ(start.terminal.value().columns, 90);
  EXPECT_EQ(start.timeout, seconds(5));
  for (const char* wrong : {"{}", R"({"command":"a","argv":["b"]})", R"({"argv":[]})",
                            R"({"command":"a","timeout":0})", R"({"command":"a","cols":0})"}) {
    EXPECT_EQ(post("/processes", wrong), 422) << wrong;
  }
}

TEST_F(MachineApiTest, SignalsHaveNamesAndNumbers) {
  const std::string process = new_process();
  for (const char* right : {"\"SIGTERM\"", "\"term\"", "15", "\"15\""}) {
    EXPECT_EQ(post(process + "/signal", R"({"signal":)" + std::string(right) + "}"), 204) << right;
    EXPECT_EQ(life_.machine().told.back(), "signal TERM");
  }
  for (const char* wrong : {"11", "\"SEGV\"", "null", "{}", "[15]", "15.5", "-15", "\"\""}) {
    EXPECT_EQ(post(process + "/signal", R"({"signal":)" + std::string(wrong) + "}"), 422) << wrong;
  }
}

TEST_F(MachineApiTest, InputIsTextOrBase64) {
  const std::string process = new_process();
  EXPECT_EQ(post(process + "/stdin", R"({"data":"/w==","encoding":"base64","eof":true})"), 204);
  EXPECT_EQ(life_.machine().told, (std::vector<std::string>{"input \xff", "close"}));
  EXPECT_EQ(post(process + "/stdin", R"({"data":"no!","encoding":"base64"})"), 422);
  EXPECT_EQ(post(process + "/stdin", R"({"data":"x","encoding":"hex"})"), 422);
  EXPECT_EQ(post("/processes/prc-0/stdin", R"({"data":"x"})"), 404);
}

TEST_F(MachineApiTest, SizesOffsetsAndIdsHaveLimits) {
  const std::string process = new_process();
  EXPECT_EQ(post(process + "/resize", R"({"cols":90,"rows":20})"), 204);
  EXPECT_EQ(life_.machine().told.back(), "resize 90x20");
  EXPECT_EQ(post(process + "/resize", R"({"cols":0,"rows":0})"), 422);
  EXPECT_EQ(post(process + "/resize", R"({"cols":100000,"rows":100000})"), 422);
  for (const char* since : {"-1", "x", "1.5", "99999999999999999999999"}) {
    EXPECT_EQ(send(Method::get, box_ + process + "/output?since=" + since), 422) << since;
  }
  EXPECT_EQ(send(Method::get, box_ + process + "/output", "", "text/event-stream"), 200);
  EXPECT_NE(body_.find("event: exit"), std::string::npos);
  for (const char* nobody : {"0", "-1", "x", "99999999999"}) {
    EXPECT_EQ(send(Method::get, box_ + "/processes/" + nobody), 404) << nobody;
  }
}

TEST_F(MachineApiTest, ATerminalIsAWebSocketOnly) {
  EXPECT_EQ(send(Method::get, box_ + "/pty"), 426);
}

TEST_F(MachineApiTest, AccessIsGivenToWhatCanBeUsed) {
  const std::string id = box_.substr(box_.rfind('/') + 1);
  EXPECT_EQ(post("/access", ""), 200) << body_;
  EXPECT_EQ(door_.asked, id + " 3600");
  EXPECT_NE(body_.find("\"known_hosts\":\"[localhost]:2222 ssh-ed25519 AAAA\""), std::string::npos);
  EXPECT_NE(body_.find("KnownHostsCommand=/bin/echo %H ssh-ed25519 AAAA' " + id + ".1.2@localhost"),
            std::string::npos)
      << body_;
  EXPECT_EQ(post("/access?ttl_seconds=5", ""), 200);
  EXPECT_EQ(door_.asked, id + " 5");
  EXPECT_EQ(post("/access?ttl_seconds=0", ""), 422);
  EXPECT_EQ(send(Method::post, "/sandboxes/sbx-ffffffffffff/access"), 404);
  EXPECT_EQ(post("/pause", ""), 200);
  EXPECT_EQ(post("/access", ""), 409);
  EXPECT_EQ(send(Method::del, box_ + "?graceful=false"), 204);
  EXPECT_EQ(post("/access", ""), 410);

  Api closed(ApiSettings{.version = "1.2.3"}, life_.core(), random_);
  http::Request request;
  request.method = Method::post;
  request.target = request.path = box_ + "/access";
  WholeBody none("");
  request.body_reader = &none;
  const http::Response response = life_.await(closed.handle(request));
  EXPECT_EQ(response.status, 501);
  EXPECT_NE(response.body.find("MATRX_SSH_PORT"), std::string::npos);
}

TEST_F(MachineApiTest, PausedAndEndedAreToldApart) {
  EXPECT_EQ(post("/pause", ""), 200) << body_;
  EXPECT_EQ(post("/pause", ""), 409);
  EXPECT_EQ(post("/exec/stream", R"({"command":"x"})"), 409);
  EXPECT_EQ(send(Method::get, box_ + "/metrics"), 200);
  EXPECT_EQ(post("/resume", ""), 200);
  EXPECT_EQ(send(Method::get, box_ + "/metrics"), 200);
  EXPECT_EQ(send(Method::get, box_ + "/logs?tail=0"), 422);
  EXPECT_EQ(send(Method::del, box_ + "?graceful=false"), 204);
  EXPECT_EQ(post("/pause", ""), 410);
  EXPECT_EQ(post("/exec/stream", R"({"command":"x"})"), 410);
}

}  // namespace
}  // namespace matrx::api
