#include "http/websocket.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/websocket.hpp>

#include "async/as_tuple.hpp"
#include "async/clock.hpp"
#include "async/notice.hpp"
#include "async/race.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::http {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

error_code to_code(const Error& error) {
  return error.code == Code::cancelled ? asio::error::operation_aborted
                                       : asio::error::connection_reset;
}

// Our connection in the form that Beast reads from and writes to. What Beast has begun may outlive
// the socket (a ping that nobody takes): wait_idle() before the connection goes.
class BeastStream {
 public:
  using executor_type = Executor;

  BeastStream(Executor executor, Stream& stream)
      : executor_(executor), state_(std::make_shared<State>(stream)) {}
  executor_type get_executor() const { return executor_; }
  void shut() { state_->stream.close(); }

  // Returns a task that does not need this object any more.
  Task<void> wait_idle() const { return wait_until_idle(state_); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const asio::mutable_buffer first = *asio::buffer_sequence_begin(buffers);
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [executor = executor_, state = state_, first](auto handler) {
          asio::co_spawn(executor, read(std::make_shared<Pending>(state), first),
                         Completion(std::move(handler)));
        },
        token);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    std::string bytes;  // header and payload in one packet
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
      const asio::const_buffer piece(*it);
      bytes.append(static_cast<const char*>(piece.data()), piece.size());
    }
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [executor = executor_, state = state_, bytes = std::move(bytes)](auto handler) mutable {
          asio::co_spawn(executor, write(std::make_shared<Pending>(state), std::move(bytes)),
                         Completion(std::move(handler)));
        },
        token);
  }

 private:
  struct State {
    explicit State(Stream& s) : stream(s) {}
    Stream& stream;
    int pending = 0;
    Notice changed;
  };

  // Counted from the moment it is begun, not from its first step.
  struct Pending {
    explicit Pending(std::shared_ptr<State> s) : state(std::move(s)) { ++state->pending; }
    Pending(const Pending&) = delete;
    ~Pending() {
      --state->pending;
      state->changed.notify();
    }
    std::shared_ptr<State> state;
  };

  // A coroutine's end → a handler's call.
  template <class Handler>
  struct Completion {
    explicit Completion(Handler h) : handler(std::move(h)) {}
    void operator()(std::exception_ptr error, Result<std::size_t> result) {
      const error_code ec = error     ? error_code(asio::error::operation_aborted)
                            : !result ? to_code(result.error())
                                      : error_code();
      const bool ended = !ec && *result == 0;
      std::move(handler)(ended ? error_code(asio::error::eof) : ec, ec ? 0 : *result);
    }
    Handler handler;
  };

  static Task<Result<std::size_t>> read(std::shared_ptr<Pending> pending,
                                        asio::mutable_buffer into) {
    co_return co_await pending->state->stream.read_some(
        std::span(static_cast<char*>(into.data()), into.size()));
  }

  static Task<Result<std::size_t>> write(std::shared_ptr<Pending> pending, std::string bytes) {
    CO_CHECK(co_await pending->state->stream.write(bytes));
    co_return bytes.size();
  }

  static Task<void> wait_until_idle(std::shared_ptr<State> state) {
    while (state->pending > 0) co_await state->changed.wait(kWriteTimeout);
  }

  Executor executor_;
  std::shared_ptr<State> state_;
};

// What Beast asks of every stream: how it ends.
[[maybe_unused]] void teardown(beast::role_type, BeastStream& stream, error_code& ec) {
  stream.shut();
  ec = {};
}

template <class Handler>
void async_teardown(beast::role_type, BeastStream& stream, Handler&& handler) {
  stream.shut();
  asio::post(stream.get_executor(),
             [h = std::forward<Handler>(handler)]() mutable { std::move(h)(error_code()); });
}

[[maybe_unused]] void beast_close_socket(BeastStream& stream) { stream.shut(); }

std::unexpected<Error> lost(const error_code& ec) {
  return fail(Code::unavailable, "The WebSocket was lost.", ec.message());
}

class BeastWebSocket : public WebSocket {
 public:
  BeastWebSocket(Executor executor, Stream& stream, std::size_t message_bytes_max)
      : socket_(BeastStream(executor, stream)) {
    websocket::stream_base::timeout limits{};
    limits.handshake_timeout = kHeaderTimeout;
    limits.idle_timeout = kWebSocketIdle;
    limits.keep_alive_pings = true;
    socket_.set_option(limits);
    socket_.read_message_max(message_bytes_max);
    socket_.auto_fragment(false);
  }

  Task<bool> accept(const beast::http::request<beast::http::empty_body>& request) {
    const auto [ec] = co_await socket_.async_accept(request, kAsTuple);
    co_return !ec;
  }

  Task<Result<std::optional<WebSocketMessage>>> read() override {
    beast::flat_buffer buffer;
    const auto [ec, count] = co_await socket_.async_read(buffer, kAsTuple);
    if (ec == websocket::error::closed) co_return std::nullopt;
    if (ec) co_return lost(ec);
    const auto bytes = buffer.cdata();
    co_return WebSocketMessage{
        .is_text = socket_.got_text(),
        .bytes = std::string(static_cast<const char*>(bytes.data()), bytes.size())};
  }

  Task<Result<void>> write(bool is_text, std::string_view bytes) override {
    const auto turn = co_await turn_.take();
    if (is_closed_) co_return fail(Code::unavailable, "The WebSocket is closed.");
    socket_.text(is_text);
    socket_.binary(!is_text);
    // Beast's operations cannot be cancelled: the connection has to go.
    auto written = co_await unless_first(abort_after(kWriteTimeout), write_now(bytes));
    if (written) co_return *std::move(written);
    co_return fail(Code::timeout, "The WebSocket takes nothing.");
  }

  Task<void> close(int code, std::string_view reason) override {
    const auto turn = co_await turn_.take();
    if (std::exchange(is_closed_, true)) co_return;
    websocket::close_reason why(static_cast<std::uint16_t>(code));
    why.reason.assign(reason.data(), std::min(reason.size(), kReasonBytesMax));
    (void)co_await socket_.async_close(why, kAsTuple);
  }

  Task<void> wait_idle() { return socket_.next_layer().wait_idle(); }

  void abort() override {
    is_closed_ = true;
    socket_.next_layer().shut();
  }

 private:
  static constexpr std::size_t kReasonBytesMax = 120;  // a control frame holds 125

  Task<void> abort_after(milliseconds limit) {
    SystemClock clock;
    co_await clock.sleep(limit);
    abort();
  }

  Task<Result<void>> write_now(std::string_view bytes) {
    const auto [ec, count] =
        co_await socket_.async_write(asio::buffer(bytes.data(), bytes.size()), kAsTuple);
    if (ec) co_return lost(ec);
    co_return Result<void>();
  }

  websocket::stream<BeastStream, false> socket_;  // without compression
  Slots turn_{1};
  bool is_closed_ = false;
};

Task<void> serve(Stream& connection, beast::http::request<beast::http::empty_body> request,
                 std::size_t message_bytes_max, WebSocketHandler handler) {
  BeastWebSocket socket(co_await asio::this_coro::executor, connection, message_bytes_max);
  std::exception_ptr problem;
  try {
    if (co_await socket.accept(request)) co_await handler(socket);
  } catch (...) {
    problem = std::current_exception();
  }
  socket.abort();
  // Beast's operations must have ended before it goes, also where we are cancelled.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await socket.wait_idle();
  if (problem) std::rethrow_exception(problem);
}

bool lists(std::string_view value, std::string_view word) {
  for (const auto item : split(value, ',')) {
    if (equals_ignoring_case(trim(item), word)) return true;
  }
  return false;
}

}  // namespace

Result<bool> wants_websocket(const Request& request) {
  if (request.method != Method::get || !lists(request.headers.get("Upgrade"), "websocket") ||
      !lists(request.headers.get("Connection"), "upgrade")) {
    return false;
  }
  if (request.headers.get("Sec-WebSocket-Version") != "13" ||
      base64_decode(request.headers.get("Sec-WebSocket-Key")).value_or("").size() != 16) {
    return fail(Code::invalid, "This takes a WebSocket of version 13.");
  }
  return true;
}

Response websocket_response(const Request& request, std::size_t message_bytes_max,
                            WebSocketHandler handler) {
  beast::http::request<beast::http::empty_body> copy(beast::http::verb::get, request.target, 11);
  for (const char* name :
       {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    const auto value = request.headers.get(name);
    copy.set(name, beast::string_view(value.data(), value.size()));
  }
  Response response{.status = 101};
  response.upgrade_answers = true;
  response.upgrade = [copy = std::move(copy), message_bytes_max,
                      handler = std::move(handler)](Stream& connection) {
    return serve(connection, copy, message_bytes_max, handler);
  };
  return response;
}

}  // namespace matrx::http
