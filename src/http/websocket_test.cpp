// Our WebSocket against raw frames (RFC 6455 §5.2).

#include "http/websocket.hpp"

#include "fakes/server_test.hpp"

namespace matrx::http {
namespace {

constexpr std::size_t kMessageMax = 200;
constexpr std::string_view kHandshake =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// Says everything back; "bye" makes it close, "cut" cut the connection.
Task<void> echo(WebSocket& socket) {
  for (;;) {
    const auto read = co_await socket.read();
    if (!read || !*read) co_return;
    const WebSocketMessage& message = **read;
    if (message.bytes == "bye") co_return co_await socket.close(1000, "as you wish");
    if (message.bytes == "cut") co_return socket.abort();
    if (!co_await socket.write(message.is_text, message.bytes)) co_return;
  }
}

Task<Response> answer_socket(Request& request) {
  const auto wants = wants_websocket(request);
  if (!wants) co_return Response{.status = 400};
  if (!*wants) co_return Response{.status = 426};
  co_return websocket_response(request, kMessageMax, echo);
}

// A client's frame, with the mask 0.
std::string frame(int opcode, std::string_view bytes, bool is_last = true) {
  std::string text;
  text += static_cast<char>((is_last ? 0x80 : 0) | opcode);
  if (bytes.size() < 126) {
    text += static_cast<char>(0x80 | bytes.size());
  } else {
    text += static_cast<char>(0x80 | 126);
    text += static_cast<char>(bytes.size() >> 8);
    text += static_cast<char>(bytes.size() & 0xFF);
  }
  return text + std::string(4, '\0') + std::string(bytes);
}

// A server's frame: without a mask.
std::string unmasked(int opcode, std::string_view bytes) {
  std::string text = frame(opcode, bytes);
  text[1] = static_cast<char>(text[1] & 0x7F);
  return text.erase(bytes.size() < 126 ? 2 : 4, 4);
}

std::string close_frame(int code, std::string_view reason = {}) {
  std::string bytes{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return unmasked(8, bytes + std::string(reason));
}

class WebSocketTest : public ServerTest {
 protected:
  // All that the server sends behind its handshake.
  static std::string after_handshake(const std::string& all) {
    const auto end = all.find("\r\n\r\n");
    return end == std::string::npos ? "no handshake: " + all : all.substr(end + 4);
  }

  // The frames are sent at once, with the handshake.
  void expect(const std::string& frames, const std::string& answers) {
    with_server(answer_socket, [&](std::string port) -> Task<void> {
      const std::string all = co_await raw(port, std::string(kHandshake) + frames);
      EXPECT_EQ(after_handshake(all), answers);
    });
  }
};

TEST_F(WebSocketTest, ShakesHands) {
  with_server(answer_socket, [&](std::string port) -> Task<void> {
    const std::string all = co_await raw(port, std::string(kHandshake) + frame(8, ""));
    EXPECT_TRUE(all.starts_with("HTTP/1.1 101 ")) << all;
    // The answer to this key in RFC 6455 §1.3.
    EXPECT_NE(all.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
  });
}

TEST_F(WebSocketTest, RefusesWhatIsNoProperRequest) {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string text(kHandshake);
    text.replace(text.find(from), from.size(), to);
    return text.replace(text.find("keep-alive"), 10, "close");
  };
  with_server(answer_socket, [&](std::string port) -> Task<void> {
    const std::string old = with("Version: 13", "Version: 8");
    EXPECT_TRUE((co_await raw(port, old)).starts_with("HTTP/1.1 400 "));
    const std::string keyless = with("Sec-WebSocket-Key", "Sec-WebSocket-Kex");
    EXPECT_TRUE((co_await raw(port, keyless)).starts_with("HTTP/1.1 400 "));
    const std::string plain = with("Upgrade: WebSocket", "X: y");
    EXPECT_TRUE((co_await raw(port, plain)).starts_with("HTTP/1.1 426 "));
  });
}

TEST_F(WebSocketTest, MessagesOfBothKindsAndPings) {
  expect(frame(1, "text") + frame(2, std::string("\0\xff", 2)) + frame(9, "ping") +
             frame(1, "bye") + frame(8, ""),
         unmasked(1, "text") + unmasked(2, std::string("\0\xff", 2)) + unmasked(10, "ping") +
             close_frame(1000, "as you wish"));
}

TEST_F(WebSocketTest, PiecesOfAMessageAreJoined) {
  expect(frame(1, "one ", false) + frame(9, "") + frame(0, "two ", false) + frame(0, "three") +
             frame(1, "bye") + frame(8, ""),
         unmasked(10, "") + unmasked(1, "one two three") + close_frame(1000, "as you wish"));
}

TEST_F(WebSocketTest, ThePeersGoodByeIsAnswered) {
  expect(frame(8, "\x03\xe8"), close_frame(1000));
}

TEST_F(WebSocketTest, WhatIsTooLargeOrNoTextEndsIt) {
  expect(frame(2, std::string(kMessageMax + 1, 'x')), close_frame(1009));
  expect(frame(2, std::string(kMessageMax, 'x'), false) + frame(0, "x"), close_frame(1009));
  expect(frame(1, "\xff"), close_frame(1007));
  expect(unmasked(1, "without a mask"), close_frame(1002));
}

TEST_F(WebSocketTest, CutMidMessageAndByItself) {
  expect(frame(1, "cut"), "");
  with_server(answer_socket, [&](std::string port) -> Task<void> {
    auto stream = (co_await tcp_connector("127.0.0.1", port)()).value();
    (void)co_await stream->write(kHandshake, frame(1, "half of it").substr(0, 8));
    EXPECT_TRUE((co_await next(*stream)).starts_with("HTTP/1.1 101 "));
    stream->close();  // the server's task ends, or this test would not
  });
}

TEST_F(WebSocketTest, AServerThatStopsWaitsForNobody) {
  with_server(answer_socket, [&](std::string port) -> Task<void> {
    held_.push_back((co_await tcp_connector("127.0.0.1", port)()).value());
    Stream& silent = *held_.back();
    (void)co_await silent.write(kHandshake);
    EXPECT_TRUE((co_await next(silent)).starts_with("HTTP/1.1 101 "));
  });
}

}  // namespace
}  // namespace matrx::http
