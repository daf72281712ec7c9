#include "http/server_connection.hpp"

#include <fmt/format.h>

#include <boost/system/system_error.hpp>
#include <span>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "http/parser.hpp"

namespace matrx::http {
namespace {

constexpr std::size_t kServerReadBytes = 8 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;           // of a body, which may be long
constexpr std::size_t kLingerBytesMax = 256 * 1024 * 1024;  // many clients send all, then read
constexpr auto kLingerTimeout = 5s;
constexpr std::size_t kGatherBytesMax = 64 * 1024;  // header and body in one packet up to here

Request to_request(const beast::http::request_header<>& header) {
  Request request;
  const auto method = header.method_string();
  const auto target = header.target();
  request.method = parse_method(std::string_view(method.data(), method.size()));
  if (request.method == Method::other) request.other_method = method;
  request.target.assign(target.data(), target.size());
  const auto question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) request.query = request.target.substr(question + 1);
  request.headers = to_headers(header);
  return request;
}

// A coding that the parser does not know is none for it, and what follows the next request. An old
// client knows no coding: who sends one is not what he says.
bool has_odd_coding(const Headers& headers, bool is_http11) {
  int lines = 0;
  for (const auto& line : headers.lines()) {
    if (!equals_ignoring_case(line.name, "Transfer-Encoding")) continue;
    if (++lines > 1 || !is_http11 || !equals_ignoring_case(trim(line.value), "chunked"))
      return true;
  }
  return false;
}

// What follows may be a secret: that of a link, a name of a file.
std::string first_segment(std::string_view path) {
  const auto slash = path.find('/', 1);
  return std::string(path.substr(0, slash)) + (slash == std::string_view::npos ? "" : "/…");
}

}  // namespace

class ServerConnection::Body : public BodyReader {
 public:
  Body(ServerConnection& connection, MessageParser<true>& parser, bool expects_continue)
      : connection_(connection), parser_(parser), expects_continue_(expects_continue) {}

  Task<Result<std::string>> read_some() override {
    for (;;) {
      if (parser_.feed(connection_.buffer_, true) == MessageParser<true>::Need::failed) {
        broken_ = true;
        co_return fail(Code::invalid, "The body is not valid HTTP.", parser_.problem());
      }
      if (parser_.body_bytes_ready() > 0 || parser_.done()) co_return parser_.take_body();
      if (std::exchange(expects_continue_, false)) {
        CO_CHECK(co_await connection_.stream_->write("HTTP/1.1 100 Continue\r\n\r\n"));
      }
      connection_.allow(kBodyTimeout);
      if (!co_await connection_.read_more(kBodyReadBytes)) {
        broken_ = true;
        co_return fail(Code::invalid, "The connection ended before the body did.");
      }
      // Of the sender, not of the handler: that may take its time with what it has.
      connection_.deadline_ = SteadyTime::max();
    }
  }

  std::optional<std::uint64_t> announced_bytes() const override { return parser_.content_length(); }

  bool finished() const { return !broken_ && parser_.done(); }

 private:
  ServerConnection& connection_;
  MessageParser<true>& parser_;
  bool expects_continue_;
  bool broken_ = false;
};

class ServerConnection::Writer : public BodyWriter {
 public:
  Writer(ServerConnection& connection, bool chunked) : connection_(connection), chunked_(chunked) {}

  Task<Result<void>> write(std::string_view piece) override {
    if (piece.empty()) co_return Result<void>();
    connection_.allow(kWriteTimeout);
    bytes_ += piece.size();
    std::string_view bytes = piece;
    if (chunked_) {
      frame_ = fmt::format("{:x}\r\n", piece.size());
      frame_ += piece;
      frame_ += "\r\n";
      bytes = frame_;
    }
    auto written = co_await connection_.stream_->write(bytes);
    connection_.deadline_ = SteadyTime::max();
    co_return written;
  }

  std::uint64_t bytes() const { return bytes_; }

  bool is_over() override {
    return connection_.stopping_ || !connection_.stream_->is_idle_and_open();
  }

 private:
  ServerConnection& connection_;
  bool chunked_;
  std::uint64_t bytes_ = 0;
  std::string frame_;
};

// The connection as it is behind a 101: first what was received with the request.
class ServerConnection::Upgraded : public Stream {
 public:
  explicit Upgraded(ServerConnection& connection) : connection_(connection) {}

  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    std::string& early = connection_.buffer_;
    if (early.empty()) co_return co_await connection_.stream_->read_some(into);
    const std::size_t count = std::min(into.size(), early.size());
    early.copy(into.data(), count);
    early.erase(0, count);
    co_return count;
  }
  Task<Result<void>> write(std::string_view head, std::string_view body) override {
    co_return co_await connection_.stream_->write(head, body);
  }
  void end_writing() override { connection_.stream_->end_writing(); }
  void close() override { connection_.stream_->close(); }
  bool is_idle_and_open() override { return connection_.stream_->is_idle_and_open(); }

 private:
  ServerConnection& connection_;
};

Task<void> ServerConnection::run() {
  while (co_await serve_one()) {
    if (stopping_) break;
  }
  stream_->close();
}

void ServerConnection::stop() {
  stopping_ = true;
  // What an upgraded connection speaks has no end that could be waited for.
  if (idle_ || upgraded_) stream_->close();
}

void ServerConnection::drop() {
  dropped_ = true;
  stream_->close();
}

void ServerConnection::close_if_late(SteadyTime now) {
  if (now < deadline_) return;
  deadline_ = SteadyTime::max();
  stream_->close();
}

void ServerConnection::allow(std::chrono::steady_clock::duration time) {
  deadline_ = std::chrono::steady_clock::now() + time;
}

Task<bool> ServerConnection::read_more(std::size_t bytes_max) {
  const std::size_t before = buffer_.size();
  buffer_.resize(before + bytes_max);
  const auto count = co_await stream_->read_some(std::span(buffer_).subspan(before));
  buffer_.resize(before + count.value_or(0));
  co_return count.value_or(0) > 0;
}

Task<bool> ServerConnection::serve_one() {
  using Need = MessageParser<true>::Need;
  MessageParser<true> parser;
  idle_ = buffer_.empty();
  if (idle_) buffer_.shrink_to_fit();  // many connections do nothing most of the time
  allow(idle_ ? kKeepAliveTimeout : kHeaderTimeout);
  while (!parser.header_done()) {
    const Need need = parser.feed(buffer_, false);
    if (need == Need::failed) {
      co_return co_await refuse(parser.header_too_large() ? 431 : 400, parser.problem());
    }
    if (need == Need::nothing) break;
    if (!co_await read_more(kServerReadBytes)) co_return false;
    if (std::exchange(idle_, false)) allow(kHeaderTimeout);
  }
  idle_ = false;
  deadline_ = SteadyTime::max();

  Request request = to_request(parser.message());
  request.remote = peer_.address;
  request.is_spare = peer_.is_spare;
  const bool http11 = parser.message().version() >= 11;
  if (has_odd_coding(request.headers, http11)) {
    co_return co_await refuse(400, "a transfer coding that is not chunked",
                              request.method == Method::head);
  }
  if (request.target.size() > kTargetBytesMax) {
    co_return co_await refuse(414, "the target is too long", request.method == Method::head);
  }
  Body body(*this, parser, equals_ignoring_case(request.headers.get("Expect"), "100-continue"));
  request.body_reader = &body;
  if (!parser.has_body()) parser.feed(buffer_, true);

  Response response = co_await answer(request);
  if (response.upgrade) {
    co_await upgrade(std::move(response));
    co_return false;
  }
  const bool keep = parser.keep_alive() && body.finished() && !stopping_ && !peer_.is_spare &&
                    (http11 || !response.stream);
  const bool head_only = request.method == Method::head;
  if (response.stream && !http11) {
    // An old client gets the plain bytes, ended by the end of the connection.
    const BodyStream stream = std::move(response.stream);
    Writer writer(*this, false);
    response.stream = nullptr;
    response.headers.set("Connection", "close");
    const auto sent = co_await stream_->write(response_header(response, false, true));
    if (sent && !head_only) co_await stream(writer);
    co_return false;
  }
  const bool sent = co_await send(std::move(response), keep, head_only);
  if (sent && !body.finished()) co_await linger();
  co_return sent&& keep;
}

// What the handler says. Whom it knows once is known for good.
Task<Response> ServerConnection::answer(Request& request) {
  struct Handled {
    ServerConnection& connection;
    Handled(ServerConnection& c, const Request& r) : connection(c) { connection.request_ = &r; }
    Handled(const Handled&) = delete;
    ~Handled() {
      connection.peer_.is_known |= connection.request_->is_known;
      connection.request_ = nullptr;
    }
  };
  const Handled handled(*this, request);
  try {
    co_return co_await handler_(request);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    log::error("handler failed", {{"path", first_segment(request.path)}, {"error", e.what()}});
  } catch (const std::exception& e) {
    log::error("handler failed", {{"path", first_segment(request.path)}, {"error", e.what()}});
  }
  co_return Response{.status = 500};
}

Task<bool> ServerConnection::send(Response response, bool keep_alive, bool head_only) {
  allow(kWriteTimeout);
  std::string header = response_header(response, keep_alive, head_only);
  if (!response.stream) {
    std::string_view rest =
        head_only || response.status == 204 ? std::string_view() : std::string_view(response.body);
    if (rest.size() <= kGatherBytesMax) {
      header += rest;
      rest = {};
    }
    const auto sent = co_await stream_->write(header, rest);
    deadline_ = SteadyTime::max();
    co_return sent.has_value();
  }
  if (!co_await stream_->write(header)) co_return false;
  deadline_ = SteadyTime::max();
  if (head_only) co_return true;
  Writer writer(*this, !response.stream_bytes);
  co_await response.stream(writer);
  if (response.stream_bytes) co_return writer.bytes() == *response.stream_bytes;
  if (response.stream_complete && !*response.stream_complete) co_return false;
  allow(kWriteTimeout);
  const auto ended = co_await stream_->write("0\r\n\r\n");
  deadline_ = SteadyTime::max();
  co_return ended.has_value();
}

Task<void> ServerConnection::upgrade(Response response) {
  allow(kWriteTimeout);
  if (!response.upgrade_answers && !co_await stream_->write(response_header(response, true))) {
    co_return;
  }
  deadline_ = SteadyTime::max();
  upgraded_ = true;
  if (stopping_) co_return;
  Upgraded upgraded(*this);
  co_await response.upgrade(upgraded);
}

Task<bool> ServerConnection::refuse(int status, std::string_view why, bool head_only) {
  log::info("request refused", {{"status", status}, {"reason", why}});
  Response response{.status = status};
  response.headers.add("Content-Type", "application/json");
  response.body = fmt::format(R"({{"detail":"{}","code":"invalid"}})", reason_phrase(status));
  if (co_await send(std::move(response), false, head_only)) co_await linger();
  co_return false;
}

// Closing while bytes are still arriving would reset the connection, and the client would never
// read the answer that tells it why. So take what comes, for a moment.
Task<void> ServerConnection::linger() {
  std::size_t bytes = 0;
  stream_->end_writing();
  allow(kLingerTimeout);
  while (bytes < kLingerBytesMax) {
    buffer_.clear();
    if (!co_await read_more(kBodyReadBytes)) co_return;
    bytes += buffer_.size();
  }
}

}  // namespace matrx::http
