#include "http/message.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fakes/run_task.hpp"
#include "http/client.hpp"

namespace matrx::http {
namespace {

TEST(Headers, CompareNamesWithoutCase) {
  Headers headers;
  headers.add("X-A", "1");
  headers.add("x-a", "2");
  EXPECT_EQ(headers.get("X-a"), "1");
  headers.set("x-A", "3");
  EXPECT_EQ(headers.get("X-A"), "3");
  EXPECT_EQ(headers.lines().size(), 1U);
  EXPECT_FALSE(headers.has("X-B"));
  EXPECT_EQ(headers.get("X-B"), "");
}

TEST(Query, TheLastOfManyCountsAndBrokenEscapesAreSkipped) {
  Request request;
  request.query = "a=1&b=%zz&a=2+3%26&c&=x&a%3D=4";
  EXPECT_EQ(request.query_value("a"), "2 3&");
  EXPECT_EQ(request.query_values("a"), (std::vector<std::string>{"1", "2 3&"}));
  EXPECT_FALSE(request.query_value("b"));
  EXPECT_EQ(request.query_value("c"), "");
  EXPECT_EQ(request.query_value("a="), "4");
  EXPECT_FALSE(Request{}.query_value("a"));
}

TEST(Serialisation, NothingCanAddALine) {
  Headers headers;
  headers.add("A\r\nB", "x\r\nEvil: 1\n\nbody");
  const std::string request = request_header("GET", "/p\r\nEvil: 2", "h\r\n", headers, {});
  EXPECT_EQ(request.find("\nEvil"), std::string::npos);
  EXPECT_EQ(request.find("\r\n\r\n"), request.size() - 4);
  Response response;
  response.headers = headers;
  EXPECT_EQ(response_header(response, true).find("\nEvil"), std::string::npos);
}

TEST(Serialisation, TheLengthIsSaidWhereThereIsABody) {
  EXPECT_EQ(request_header("POST", "/", "h", {}, 0).find("Content-Length: 0") != std::string::npos,
            true);
  EXPECT_EQ(response_header({.status = 204}, true).find("Content-Length"), std::string::npos);
  Response stream;
  stream.stream = [](BodyWriter&) -> Task<void> { co_return; };
  const std::string header = response_header(stream, false);
  EXPECT_NE(header.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(header.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(header.find("Content-Length"), std::string::npos);
}

TEST(Methods, GoBothWays) {
  for (Method method : {Method::get, Method::head, Method::post, Method::put, Method::patch,
                        Method::del, Method::options}) {
    EXPECT_EQ(parse_method(method_name(method)), method);
  }
  EXPECT_EQ(parse_method("get"), Method::other);  // methods have a case
  EXPECT_EQ(parse_method("BREW"), Method::other);
}

// --- The client against connections that misbehave ---------------------------------------------

// A connected stream that plays a script: what a read gives, one piece at a time, then its end.
class ScriptedStream : public Stream {
 public:
  explicit ScriptedStream(std::vector<std::string> pieces, int& writes)
      : pieces_(std::move(pieces)), writes_(writes) {}
  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    if (pieces_.empty()) co_return std::size_t{0};
    const std::string piece = pieces_.front();
    pieces_.erase(pieces_.begin());
    std::copy(piece.begin(), piece.end(), into.begin());
    co_return piece.size();
  }
  Task<Result<void>> write(std::string_view, std::string_view) override {
    ++writes_;
    co_return Result<void>();
  }
  void close() override {}
  void end_writing() override {}
  bool is_idle_and_open() override { return true; }  // it does not know yet

 private:
  std::vector<std::string> pieces_;
  int& writes_;
};

class ScriptedClient : public testing::Test {
 protected:
  // Each connection plays the next script.
  Client client(std::vector<std::vector<std::string>> scripts, std::size_t bytes_max = 1000) {
    auto connect = [this, scripts = std::move(scripts)]() -> Task<Result<std::unique_ptr<Stream>>> {
      return open(scripts.at(static_cast<std::size_t>(connected_++)));
    };
    return Client(std::move(connect), {.name = "It", .answer_bytes_max = bytes_max});
  }
  Task<Result<std::unique_ptr<Stream>>> open(std::vector<std::string> script) {
    co_return std::make_unique<ScriptedStream>(std::move(script), writes_);
  }
  static constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  int connected_ = 0, writes_ = 0;
};

TEST_F(ScriptedClient, AKeptConnectionThatBreaksIsTriedAgainOnlyWhereThatIsHarmless) {
  auto test = [&]() -> Task<void> {
    Client careful = client({{kOk}, {kOk}});
    (void)co_await careful.send({.target = "/"});
    const auto lost = co_await careful.send({.method = Method::post, .target = "/"});
    EXPECT_EQ(lost.error().code, Code::unavailable);
    EXPECT_EQ(writes_, 2);

    connected_ = writes_ = 0;
    Client harmless = client({{kOk}, {kOk}});
    (void)co_await harmless.send({.target = "/"});
    const auto again = co_await harmless.send({.target = "/", .idempotent = true});
    EXPECT_EQ(again->body, "ok");
    EXPECT_EQ(writes_, 3);
  };
  run_task(test());
}

TEST_F(ScriptedClient, PassesOverInterimAnswers) {
  auto test = [&]() -> Task<void> {
    const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    Client patient = client({{"HTTP/1.1 100 Continue\r\n\r\n" + interim + kOk, kOk}});
    EXPECT_EQ((co_await patient.send({.target = "/"}))->body, "ok");
    EXPECT_EQ((co_await patient.send({.target = "/"}))->body, "ok");
    EXPECT_EQ(connected_, 1);

    connected_ = 0;
    std::string endless;
    for (int i = 0; i < 20; ++i) endless += interim;
    Client tried = client({{endless + kOk}});
    EXPECT_EQ((co_await tried.send({.target = "/"})).error().code, Code::unavailable);
  };
  run_task(test());
}

TEST_F(ScriptedClient, PassesOverInterimAnswersOfAStream) {
  auto test = [&]() -> Task<void> {
    Client one = client({{"HTTP/1.1 102 Processing\r\n\r\n", kOk}});
    const auto stream = co_await one.open({.target = "/"});
    EXPECT_TRUE(stream.has_value());
    if (!stream) co_return;
    EXPECT_EQ((*stream)->status(), 200);
    EXPECT_EQ((co_await (*stream)->read_some()).value_or("nothing"), "ok");
  };
  run_task(test());
}

TEST_F(ScriptedClient, ASwitchOfProtocolsIsAnAnswerAndTheEndOfHttp) {
  auto test = [&]() -> Task<void> {
    Client one = client({{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"}, {kOk}});
    EXPECT_EQ((co_await one.send({.target = "/"}))->status, 101);
    EXPECT_EQ((co_await one.send({.target = "/"}))->body, "ok");
    EXPECT_EQ(connected_, 2);
  };
  run_task(test());
}

TEST_F(ScriptedClient, WhatComesBehindAnAnswerIsNotTheNextOne) {
  auto test = [&]() -> Task<void> {
    const std::string forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    Client one = client({{kOk + forged}, {kOk}});
    EXPECT_EQ((co_await one.send({.target = "/"}))->body, "ok");
    EXPECT_EQ((co_await one.send({.target = "/"}))->body, "ok");
  };
  run_task(test());
}

TEST_F(ScriptedClient, AFreshConnectionThatBreaksIsNotTriedAgain) {
  auto test = [&]() -> Task<void> {
    Client fresh = client({{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"}, {kOk}});
    const auto cut = co_await fresh.send({.target = "/", .idempotent = true});
    EXPECT_EQ(cut.error().code, Code::unavailable);
    EXPECT_EQ(connected_, 1);
  };
  run_task(test());
}

TEST_F(ScriptedClient, ReadsAnAnswerCutAnywhere) {
  const std::string answer =
      "HTTP/1.1 201 Created\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut < answer.size(); ++cut) {
    connected_ = 0;
    auto test = [&]() -> Task<void> {
      Client one = client({{answer.substr(0, cut), answer.substr(cut)}});
      const auto response = co_await one.send({.target = "/"});
      EXPECT_TRUE(response.has_value()) << cut;
      if (response) {
        EXPECT_EQ(response->status, 201);
        EXPECT_EQ(response->body, "abcde") << cut;
        EXPECT_EQ(response->headers.get("x-a"), "b");
      }
    };
    run_task(test());
  }
}

TEST_F(ScriptedClient, RefusesWhatIsNotHttpAndWhatIsTooLarge) {
  auto test = [&]() -> Task<void> {
    Client odd = client({{"SSH-2.0-OpenSSH\r\n\r\n"}});
    EXPECT_EQ((co_await odd.send({.target = "/"})).error().code, Code::unavailable);
    connected_ = 0;
    Client large =
        client({{"HTTP/1.1 200 OK\r\n\r\n", std::string(60, 'x'), std::string(60, 'x')}}, 100);
    EXPECT_EQ((co_await large.send({.target = "/"})).error().code, Code::too_large);
    connected_ = 0;
    Client until_end = client({{"HTTP/1.1 200 OK\r\n\r\n", "all of ", "it"}});
    EXPECT_EQ((co_await until_end.send({.target = "/"}))->body, "all of it");
  };
  run_task(test());
}

}  // namespace
}  // namespace matrx::http
