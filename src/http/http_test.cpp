// Server and client of ours, against each other and against raw bytes.

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "fakes/server_test.hpp"

namespace matrx::http {
namespace {

constexpr std::size_t kEchoMax = 1000;

Task<Response> answer(Request& request) {
  if (request.path == "/echo") {
    auto body = co_await request.body_reader->read_all(kEchoMax);
    if (!body) co_return Response{.status = body.error().code == Code::too_large ? 413 : 400};
    Response response;
    response.body = std::string(method_name(request.method)) + ":" + *body;
    co_return response;
  }
  if (request.path == "/stream") {
    Response response;
    response.stream = [](BodyWriter& writer) -> Task<void> {
      for (const char* piece : {"one ", "two ", "three"}) (void)co_await writer.write(piece);
    };
    co_return response;
  }
  if (request.path == "/upgrade") {
    Response response{.status = 101};
    response.headers.add("Connection", "Upgrade");
    response.upgrade = [](Stream& connection) -> Task<void> {
      std::array<char, 100> piece;
      for (;;) {
        const auto count = co_await connection.read_some(piece);
        if (!count || *count == 0) break;
        (void)co_await connection.write("<", std::string_view(piece.data(), *count));
      }
      (void)co_await connection.write("end");
    };
    co_return response;
  }
  if (request.path == "/announced" || request.path == "/cut-off") {
    Response response;
    response.stream_bytes = request.path == "/announced" ? 8 : 9;
    response.stream = [](BodyWriter& writer) -> Task<void> {
      for (const char* piece : {"eight ", "", "b."}) (void)co_await writer.write(piece);
    };
    co_return response;
  }
  if (request.path == "/throw") throw std::runtime_error("a bug");
  if (request.path == "/slow") {
    SystemClock clock;
    co_await clock.sleep(500ms);
  }
  if (request.path == "/big") {
    Response response;
    response.body = std::string(5000, 'x');
    co_return response;
  }
  Response response;
  response.headers.add("X-Path", request.path + "\r\nX-Injected: yes");
  response.body = request.query_value("q").value_or("none");
  co_return response;
}

class HttpTest : public ServerTest {
 protected:
  template <class F>
  void with_server(F test) {
    ServerTest::with_server(answer, std::move(test));
  }

  // The header of a body that its sender holds back.
  static std::string expecting(const std::string& target, int bytes) {
    return "POST " + target + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " +
           std::to_string(bytes) + "\r\n\r\n";
  }
};

TEST_F(HttpTest, AsksAndAnswers) {
  with_server([&](std::string port) -> Task<void> {
    Client client = client_to(port);
    ClientRequest request{.method = Method::post, .target = "/echo", .body = "hello"};
    for (int i = 0; i < 3; ++i) {
      const auto response = co_await client.send(request);
      EXPECT_TRUE(response.has_value());
      if (response) EXPECT_EQ(response->body, "POST:hello");
    }
    ClientRequest with_query{.target = "/x?q=a%20b+c&p"};
    const auto response = co_await client.send(with_query);
    EXPECT_EQ(response->body, "a b c");
    EXPECT_EQ(response->headers.get("X-Injected"), "");  // no header smuggled in by a value
  });
}

TEST_F(HttpTest, StreamsInPieces) {
  with_server([&](std::string port) -> Task<void> {
    Client client = client_to(port);
    EXPECT_EQ((co_await client.send({.target = "/stream"}))->body, "one two three");
    auto stream = (co_await client.open({.target = "/stream"})).value();
    std::string all;
    for (;;) {
      const auto piece = co_await stream->read_some();
      if (!piece || piece->empty()) break;
      all += *piece;
    }
    EXPECT_EQ(all, "one two three");
  });
}

TEST_F(HttpTest, AStreamOfKnownLengthIsAnnouncedAndHasIt) {
  with_server([&](std::string port) -> Task<void> {
    const std::string end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const auto all = co_await raw(port, "GET /announced" + end);
    EXPECT_NE(all.find("\r\nContent-Length: 8\r\n"), std::string::npos);
    EXPECT_EQ(all.find("Transfer-Encoding"), std::string::npos);
    EXPECT_TRUE(all.ends_with("\r\n\r\neight b."));
    // The connection goes on behind it, but not behind one that was too short.
    const std::string next = " HTTP/1.1\r\nHost: x\r\n\r\nGET /a?q=next" + end;
    EXPECT_TRUE((co_await raw(port, "GET /announced" + next)).ends_with("next"));
    EXPECT_TRUE((co_await raw(port, "GET /cut-off" + next)).ends_with("eight b."));
    Client client = client_to(port);
    EXPECT_EQ((co_await client.send({.target = "/announced"}))->body, "eight b.");
    EXPECT_EQ((co_await client.send({.target = "/cut-off"})).error().code, Code::unavailable);
    const auto head = co_await raw(port, "HEAD /announced" + end);
    EXPECT_NE(head.find("Content-Length: 8"), std::string::npos);
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  });
}

TEST_F(HttpTest, AnUpgradedConnectionIsPlainBytesBothWays) {
  with_server([&](std::string port) -> Task<void> {
    auto stream = (co_await tcp_connector("127.0.0.1", port)()).value();
    // Some of it comes with the request.
    (void)co_await stream->write("GET /upgrade HTTP/1.1\r\nHost: x\r\n\r\nearly");
    std::string all;
    while (!all.ends_with("<early")) {
      const auto piece = co_await next(*stream);
      if (piece.empty()) break;
      all += piece;
    }
    EXPECT_EQ(all, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n<early");
    (void)co_await stream->write("late");
    EXPECT_EQ(co_await next(*stream), "<late");
    stream->end_writing();  // and still it is answered
    EXPECT_EQ(co_await next(*stream), "end");
    EXPECT_EQ(co_await next(*stream), "");
  });
}

TEST_F(HttpTest, LimitsAnswersAndTime) {
  with_server([&](std::string port) -> Task<void> {
    Client client = client_to(port);
    EXPECT_EQ((co_await client.send({.target = "/big"})).error().code, Code::too_large);
    ClientRequest slow{.target = "/slow"};
    slow.deadline = milliseconds(30);
    EXPECT_EQ((co_await client.send(slow)).error().code, Code::timeout);
    EXPECT_EQ((co_await client.send({.target = "/throw"}))->status, 500);
  });
}

TEST_F(HttpTest, ReadsPipelinedAndChunkedRequests) {
  with_server([&](std::string port) -> Task<void> {
    const auto answers =
        co_await raw(port,
                     "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"
                     "GET /a?q=2 HTTP/1.1\r\nHost: x\r\n\r\n"
                     "HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answers.find("POST:abcde"), std::string::npos);
    EXPECT_NE(answers.find("\r\n\r\n2HTTP/1.1 200"), std::string::npos);
    EXPECT_TRUE(answers.ends_with("\r\n\r\n"));  // no body after HEAD
  });
}

TEST_F(HttpTest, RefusesNonsense) {
  with_server([&](std::string port) -> Task<void> {
    const auto status = [&](std::string bytes) -> Task<std::string> {
      co_return (co_await raw(port, std::move(bytes))).substr(9, 3);
    };
    EXPECT_EQ(co_await status("nonsense\r\n\r\n"), "400");
    EXPECT_EQ(co_await status("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), "400");
    EXPECT_EQ(co_await status("GET / HTTP/1.1\r\nA: " + std::string(20000, 'a') + "\r\n\r\n"),
              "431");
    EXPECT_EQ(co_await status("GET /" + std::string(kTargetBytesMax, 'a') + " HTTP/1.1\r\n\r\n"),
              "414");
    EXPECT_EQ(co_await status("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              "400");  // two lengths: who believes which one is how requests are smuggled
    EXPECT_EQ(co_await status("POST /echo HTTP/1.1\r\nContent-Length: 2000\r\n\r\n" +
                              std::string(2000, 'x')),
              "413");
    EXPECT_EQ(co_await status("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                              "Connection: close\r\n\r\nzz\r\n"),
              "400");
  });
}

TEST_F(HttpTest, AnswersHeadWithTheLengthAndNoBody) {
  with_server([&](std::string port) -> Task<void> {
    const std::string end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const auto big = co_await raw(port, "HEAD /big" + end);
    EXPECT_TRUE(big.starts_with("HTTP/1.1 200"));
    EXPECT_NE(big.find("\r\nContent-Length: 5000\r\n"), std::string::npos);
    for (const std::string& target :
         {std::string("/big"), std::string("/stream"), std::string("/throw"),
          std::string(kTargetBytesMax + 1, '/')}) {
      const auto all = co_await raw(port, "HEAD " + target + end);
      EXPECT_EQ(all.find("\r\n\r\n"), all.size() - 4) << target.substr(0, 10);
    }
    // A kept connection goes on with the next answer.
    const auto two = co_await raw(port, "HEAD /big HTTP/1.1\r\nHost: x\r\n\r\nGET /a?q=2" + end);
    EXPECT_NE(two.find("\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos);
    EXPECT_TRUE(two.ends_with("\r\n\r\n2"));
  });
}

TEST_F(HttpTest, ContinueIsSaidOnceTheBodyIsWanted) {
  with_server([&](std::string port) -> Task<void> {
    auto stream = (co_await tcp_connector("127.0.0.1", port)()).value();
    (void)co_await stream->write(expecting("/echo", 5));
    EXPECT_EQ(co_await next(*stream), "HTTP/1.1 100 Continue\r\n\r\n");
    (void)co_await stream->write("hello");
    const auto answer = co_await next(*stream);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(answer.ends_with("POST:hello"));
    // Nobody wants it: the answer comes at once, and nothing that asks for the body.
    EXPECT_TRUE((co_await raw(port, expecting("/a", 5))).starts_with("HTTP/1.1 200"));
    EXPECT_TRUE((co_await raw(port, expecting("/echo", 2000))).starts_with("HTTP/1.1 413"));
  });
}

TEST_F(HttpTest, SaysContinueAndSpeaksTheOldVersion) {
  with_server([&](std::string port) -> Task<void> {
    const auto with_expect = co_await raw(
        port,
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n");
    EXPECT_TRUE(with_expect.starts_with("HTTP/1.1 200"));  // nothing to wait for
    const auto old = co_await raw(port, "GET /stream HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(old.ends_with("one two three"));
    EXPECT_EQ(old.find("chunked"), std::string::npos);
  });
}

TEST_F(HttpTest, KeepsConnectionsAndNoticesDeadOnes) {
  with_server([&](std::string port) -> Task<void> {
    int connected = 0;
    auto counting = [&connected, inner = tcp_connector("127.0.0.1", port)] {
      ++connected;
      return inner();
    };
    Client client(counting, {.name = "The server"});
    (void)co_await client.send({.target = "/a"});
    (void)co_await client.send({.target = "/a"});
    EXPECT_EQ(connected, 1);
    ClientRequest last{.target = "/a"};
    last.headers.add("Connection", "close");
    (void)co_await client.send(last);
    EXPECT_EQ((co_await client.send({.target = "/a"}))->status, 200);
    EXPECT_EQ(connected, 2);
  });
}

TEST_F(HttpTest, UnreachableIsUnavailable) {
  auto test = []() -> Task<void> {
    Client client(unix_connector("/tmp/matrx-no-such.sock"), {.name = "Nobody"});
    const auto response = co_await client.send({.target = "/"});
    EXPECT_EQ(response.error().code, Code::unavailable);
    EXPECT_EQ(response.error().message, "Nobody cannot be reached.");
  };
  run_task(test());
}

// A command of ten minutes must not keep a stopped server alive.
TEST_F(HttpTest, AStopEndsWhatWouldGoOn) {
  SystemClock clock;
  bool began = false, ended = false;
  auto endless = [&](Request&) -> Task<Response> {
    const struct Leaving {
      bool& ended;
      ~Leaving() { ended = true; }
    } leaving{ended};
    began = true;
    co_await clock.sleep(24h);
    co_return Response();
  };
  asio::io_context io(1);
  Server server(io.get_executor(), endless);
  ASSERT_TRUE(server.listen_tcp("127.0.0.1", 0));
  auto all = [&]() -> Task<void> {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("server", server.run());
    Client client = client_to(std::to_string(server.port()));
    auto ask = [&]() -> Task<void> {
      EXPECT_FALSE(co_await client.send({.target = "/"})) << "the connection breaks";
    };
    group.spawn("client", ask());
    while (!began) co_await clock.sleep(1ms);
    server.stop(Server::AfterDrain::cancel, 20ms);
    co_await group.join();
  };
  run_task(io, all());
  EXPECT_TRUE(ended);
}

// What follows would be read as the next request.
TEST_F(HttpTest, OnlyTheCodingThatWeKnowIsTaken) {
  with_server([&](std::string port) -> Task<void> {
    const std::string next = "\r\n\r\n0\r\n\r\nGET /a?q=smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const char* lines :
         {"Transfer-Encoding: gzip", "transfer-encoding: xchunked",
          "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
          "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \"chunked\"",
          "Transfer-Encoding: chunked;q=1",
          "Transfer-Encoding:", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"}) {
      const auto answer =
          co_await raw(port, std::string("POST /echo HTTP/1.1\r\nHost: x\r\n") + lines + next);
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << lines << answer;
      EXPECT_EQ(answer.find("smuggled"), std::string::npos) << lines;
    }
    const auto old = co_await raw(port, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked" + next);
    EXPECT_TRUE(old.starts_with("HTTP/1.1 400")) << old;
    const auto good = co_await raw(port,
                                   "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                   "Transfer-Encoding: CHUNKED \r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_TRUE(good.ends_with("POST:hello")) << good;
  });
}

// What comes before an answer, and what comes behind a body, is looked at by nobody: so it does not
// pass.
TEST_F(HttpTest, HeadersOfInterimAnswersAndTrailersAreNone) {
  const auto handle = [](Request& request) -> Task<Response> {
    if (request.path == "/late") {
      const auto body = co_await request.body_reader->read_all(100);
      Response response;
      response.body = request.headers.has("X-Late") ? "seen" : body.value_or("broken");
      co_return response;
    }
    Response response{.status = 101};
    response.upgrade_answers = true;
    response.upgrade = [](Stream& connection) -> Task<void> {
      (void)co_await connection.write(
          "HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=1\r\n\r\n"
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n"
          "1\r\nx\r\n0\r\nSet-Cookie: late=1\r\n\r\n");
    };
    co_return response;
  };
  ServerTest::with_server(handle, [&](std::string port) -> Task<void> {
    const auto late = co_await raw(port,
                                   "POST /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                   "Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
                                   "4\r\nbody\r\n0\r\nX-Late: 1\r\n\r\n");
    EXPECT_TRUE(late.ends_with("body")) << late;
    Client client = client_to(port);
    auto answer = (co_await client.open({.target = "/"})).value();
    EXPECT_EQ((co_await answer->read_some()).value(), "x");
    EXPECT_EQ((co_await answer->read_some()).value(), "");
    EXPECT_FALSE(answer->headers().has("Set-Cookie"));
    const auto whole = co_await client.send({.target = "/"});
    EXPECT_EQ(whole->body, "x");
    EXPECT_FALSE(whole->headers.has("Set-Cookie"));
  });
}

TEST_F(HttpTest, WhatIsBehindTheFirstSegmentIsNotForTheLog) {
  std::string lines;
  log::configure(log::Level::info, log::Format::text,
                 [&](std::string_view line) { lines += line; });
  const auto bug = [](Request&) -> Task<Response> {
    throw std::runtime_error("a bug");
    co_return Response{};
  };
  ServerTest::with_server(bug, [&](std::string port) -> Task<void> {
    EXPECT_TRUE(
        (co_await raw(port, "GET /links/5ec/x HTTP/1.0\r\n\r\n")).starts_with("HTTP/1.1 500"));
  });
  EXPECT_NE(lines.find("handler failed"), std::string::npos);
  EXPECT_EQ(lines.find("5ec"), std::string::npos) << lines;
}

// --- Too many ------------------------------------------------------------------------------------

// Says who is known by the path, and keeps those who ask for it waiting.
class CrowdTest : public ServerTest {
 protected:
  CrowdTest() {
    limits_ = {.connections = 4, .spares = 2, .strangers_of_source = 3, .stranger_grace = 0ms};
  }

  static Task<Response> look(Request& request) {
    request.is_known = request.path == "/known";
    Response response;
    response.body = request.is_spare ? "spare" : "regular";
    co_return response;
  }
  // A connection that stays; with what it was told where it has asked.
  Task<std::string> come(std::string port, std::string path) {
    held_.push_back((co_await tcp_connector("127.0.0.1", port)()).value());
    co_return co_await ask(held_.size() - 1, path);
  }
  Task<std::string> ask(std::size_t who, std::string path) {
    (void)co_await held_[who]->write("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto answer = co_await next(*held_[who]);
    const auto body = answer.find("\r\n\r\n");
    co_return body == std::string::npos ? "" : answer.substr(body + 4);
  }
};

TEST_F(CrowdTest, OfStrangersTheOldestGoesAndNobodyWhoIsKnown) {
  ServerTest::with_server(look, [&](std::string port) -> Task<void> {
    EXPECT_EQ(co_await come(port, "/known"), "regular");
    for (int i = 0; i < 6; ++i) EXPECT_EQ(co_await come(port, "/stranger"), "regular") << i;
    EXPECT_EQ(co_await next(*held_[1]), "") << "the oldest stranger was closed";
    EXPECT_EQ(co_await ask(6, "/stranger"), "regular") << "the newest was not";
    EXPECT_EQ(co_await ask(0, "/stranger"), "regular") << "known once, known for good";
  });
}

TEST_F(CrowdTest, WhenAllAreBusyWhoAsksWhetherWeLiveHearsIt) {
  ServerTest::with_server(look, [&](std::string port) -> Task<void> {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(co_await come(port, "/known"), "regular");
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(co_await come(port, "/known"), "spare") << i;
      EXPECT_EQ(co_await next(*held_.back()), "") << "one request each";
    }
    // Spares that say nothing do not keep others out.
    for (int i = 0; i < 6; ++i) {
      held_.push_back((co_await tcp_connector("127.0.0.1", port)()).value());
    }
    EXPECT_EQ(co_await come(port, "/known"), "spare");
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(co_await ask(i, "/x"), "regular");
  });
}

TEST_F(HttpTest, AnswersOnAUnixSocketAndReplacesAStaleOne) {
  std::string path = "/tmp/matrx-http-test-" + std::to_string(::getpid()) + ".sock";
  for (int life = 0; life < 2; ++life) {
    asio::io_context io(1);
    Server server(io.get_executor(), answer);
    ASSERT_TRUE(server.listen_unix(path, 0600));
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("server", server.run());
      Client client(unix_connector(path), {.name = "The server"});
      EXPECT_EQ((co_await client.send({.target = "/x?q=1"}))->body, "1");
      client.close();
      server.stop();
      co_await group.join();
    };
    run_task(io, all());
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);  // nothing left behind
}

}  // namespace
}  // namespace matrx::http
