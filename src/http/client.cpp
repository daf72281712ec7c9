#include "http/client.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "async/notice.hpp"
#include "async/race.hpp"
#include "async/turns.hpp"
#include "base/limits.hpp"
#include "http/parser.hpp"

namespace matrx::http {
namespace {

constexpr std::size_t kClientReadBytes = 16 * 1024;

struct Connection {
  std::unique_ptr<Stream> stream;
  std::string buffer;  // received, not yet parsed
};

Task<Result<void>> read_more(Connection& connection, MessageParser<false>& parser,
                             const std::string& name) {
  std::array<char, kClientReadBytes> bytes;
  CO_TRY(count, co_await connection.stream->read_some(bytes));
  if (count > 0) {
    connection.buffer.append(bytes.data(), count);
    co_return Result<void>();
  }
  if (parser.header_done() && parser.until_end() &&
      parser.feed_end() == MessageParser<false>::Need::nothing) {
    co_return Result<void>();
  }
  co_return fail(Code::unavailable,
                 name + " closed the connection before its answer was complete.");
}

Task<Result<void>> read_header(Connection& connection, MessageParser<false>& parser,
                               const std::string& name) {
  using Need = MessageParser<false>::Need;
  for (;;) {
    const Need need = parser.feed(connection.buffer, false);
    if (need == Need::failed) {
      co_return fail(Code::unavailable, name + " sent an answer that is not HTTP.",
                     parser.problem());
    }
    if (need == Need::nothing) co_return Result<void>();
    CO_CHECK(co_await read_more(connection, parser, name));
  }
}

// The header of the answer itself: what comes before it (100 Continue, 103 Early Hints) is passed
// over; 101 ends HTTP and is an answer.
Task<Result<std::unique_ptr<MessageParser<false>>>> read_answer_header(Connection& connection,
                                                                       bool to_head,
                                                                       const std::string& name) {
  for (int interim = 0; interim <= kInterimAnswersMax; ++interim) {
    auto parser = std::make_unique<MessageParser<false>>();
    if (to_head) parser->skip_body();
    CO_CHECK(co_await read_header(connection, *parser, name));
    const auto status = parser->message().result_int();
    if (status >= 200 || status == 101) co_return parser;
  }
  co_return fail(Code::unavailable, name + " sent no answer.", "too many interim ones");
}

// The next piece of the body; empty at its end.
Task<Result<std::string>> read_piece(Connection& connection, MessageParser<false>& parser,
                                     const std::string& name) {
  using Need = MessageParser<false>::Need;
  for (;;) {
    if (!parser.done() && parser.feed(connection.buffer, true) == Need::failed) {
      co_return fail(Code::unavailable, name + " sent an answer that is not HTTP.",
                     parser.problem());
    }
    if (parser.body_bytes_ready() > 0 || parser.done()) co_return parser.take_body();
    CO_CHECK(co_await read_more(connection, parser, name));
  }
}

// A connection whose first bytes have been read already.
class ContinuedStream : public Stream {
 public:
  explicit ContinuedStream(Connection connection) : connection_(std::move(connection)) {}
  ~ContinuedStream() override { connection_.stream->close(); }

  Task<Result<std::size_t>> read_some(std::span<char> into) override {
    std::string& early = connection_.buffer;
    if (early.empty()) co_return co_await connection_.stream->read_some(into);
    const std::size_t count = std::min(into.size(), early.size());
    early.copy(into.data(), count);
    early.erase(0, count);
    co_return count;
  }
  Task<Result<void>> write(std::string_view head, std::string_view body) override {
    co_return co_await connection_.stream->write(head, body);
  }
  void end_writing() override { connection_.stream->end_writing(); }
  void close() override { connection_.stream->close(); }
  bool is_idle_and_open() override {
    return connection_.buffer.empty() && connection_.stream->is_idle_and_open();
  }

 private:
  Connection connection_;
};

// Sends a body while it looks for an answer: one that refuses need not wait for the end of the
// body. The body may take as long as it takes, its source and its sink have deadlines of their own;
// the request's deadline begins when all was sent.
class BodyExchange {
 public:
  using Parser = std::unique_ptr<MessageParser<false>>;

  BodyExchange(Connection& connection, const ClientRequest& request, std::string name, Clock& clock)
      : connection_(connection), request_(request), name_(std::move(name)), clock_(clock) {}

  Task<Result<Parser>> run() {
    (void)co_await race(read_answer(), send_body());
    if (answer_) co_return *std::move(answer_);
    connection_.stream->close();  // so that nobody takes it for complete
    co_return std::unexpected(problem_);
  }

 private:
  Task<void> read_answer() {
    auto parser = co_await read_answer_header(connection_, false, name_);
    const bool refused = !parser || (*parser)->message().result_int() >= 400;
    while (!refused && !sent_) co_await all_sent_.wait(kNoticePatience);
    if (!gave_up_) answer_ = std::move(parser);  // else it is only our own cancelling
  }

  // Returns only where the exchange has failed, or when there is an answer.
  Task<void> send_body() {
    const auto sent = co_await send_pieces();
    if (answer_) co_return;  // whatever became of the rest: it was not wanted
    if (!sent && (source_failed_ || sent.error().code == Code::timeout)) {
      give_up(sent.error());
      co_return;
    }
    // A broken connection may still have an answer that tells why.
    sent_ = true;
    all_sent_.notify();
    co_await clock_.sleep(request_.deadline);
    give_up({Code::timeout, name_ + " did not answer in time", {}});
  }

  void give_up(Error problem) {
    gave_up_ = true;
    problem_ = std::move(problem);
  }

  Task<Result<void>> send_pieces() {
    const bool chunked = !request_.body_source_bytes;
    std::uint64_t left = request_.body_source_bytes.value_or(0);
    for (;;) {
      auto piece = co_await request_.body_source->read_some();
      source_failed_ = !piece;
      if (!piece) co_return std::unexpected(std::move(piece).error());
      // What goes beyond would be read as the next request, and what is missing waited for.
      if (!chunked && (piece->empty() ? left > 0 : piece->size() > left)) {
        source_failed_ = true;
        co_return fail(Code::invalid, "The body has another length than was announced.");
      }
      if (piece->empty()) break;
      left -= chunked ? 0 : piece->size();
      const std::string head = chunked ? fmt::format("{:x}\r\n", piece->size()) : std::string();
      if (chunked) CO_CHECK(co_await write(head, {}));
      CO_CHECK(co_await write(*piece, chunked ? "\r\n" : ""));
    }
    if (chunked) CO_CHECK(co_await write("0\r\n\r\n", {}));
    co_return Result<void>();
  }

  // One that takes nothing must not hold the sender for ever.
  Task<Result<void>> write(std::string_view head, std::string_view rest) {
    co_return co_await within(clock_, request_.deadline, name_.c_str(),
                              connection_.stream->write(head, rest));
  }

  static constexpr milliseconds kNoticePatience{60'000};

  Connection& connection_;
  const ClientRequest& request_;
  std::string name_;
  Clock& clock_;
  Notice all_sent_;
  std::optional<Result<Parser>> answer_;
  bool sent_ = false, source_failed_ = false, gave_up_ = false;
  Error problem_;
};

class OpenAnswer : public ResponseStream {
 public:
  OpenAnswer(Connection connection, std::unique_ptr<MessageParser<false>> parser, std::string name)
      : connection_(std::move(connection)),
        parser_(std::move(parser)),
        headers_(to_headers(parser_->message())),
        name_(std::move(name)) {}

  ~OpenAnswer() override { close(); }
  int status() const override { return parser_->message().result_int(); }
  const Headers& headers() const override { return headers_; }
  Task<Result<std::string>> read_some() override {
    return read_piece(connection_, *parser_, name_);
  }
  std::optional<std::uint64_t> announced_bytes() const override {
    return parser_->content_length();
  }
  std::unique_ptr<Stream> take_connection() override {
    return std::make_unique<ContinuedStream>(std::move(connection_));
  }
  void close() override {
    if (connection_.stream) connection_.stream->close();
  }

 private:
  Connection connection_;
  std::unique_ptr<MessageParser<false>> parser_;
  Headers headers_;
  std::string name_;
};

}  // namespace

struct Client::Impl {
  Impl(Connector c, ClientOptions o)
      : connector(std::move(c)), options(std::move(o)), slots(options.connections_max) {}

  Task<Result<Connection>> connect(bool& kept);
  Task<Result<void>> write_request(Connection& connection, const ClientRequest& request);
  Task<Result<ClientResponse>> exchange(const ClientRequest& request, bool& kept);
  Task<Result<ClientResponse>> send(ClientRequest request);
  Task<Result<std::unique_ptr<ResponseStream>>> open(ClientRequest request);

  using Parser = std::unique_ptr<MessageParser<false>>;
  Task<Result<Parser>> answer_to(Connection& connection, const ClientRequest& request);

  Connector connector;
  ClientOptions options;
  SystemClock clock;
  Slots slots;
  std::vector<Connection> idle;  // the last used at the end
  bool closed = false;
};

Task<Result<Connection>> Client::Impl::connect(bool& kept) {
  while (!idle.empty()) {
    Connection connection = std::move(idle.back());
    idle.pop_back();
    if (connection.stream->is_idle_and_open()) {
      kept = true;
      co_return connection;
    }
  }
  kept = false;
  auto stream = co_await connector();
  if (!stream) {
    co_return fail(Code::unavailable, options.name + " cannot be reached.",
                   stream.error().message + " " + stream.error().internal);
  }
  co_return Connection{.stream = std::move(*stream), .buffer = {}};
}

Task<Result<void>> Client::Impl::write_request(Connection& connection,
                                               const ClientRequest& request) {
  const std::string_view method = request.method == Method::other
                                      ? std::string_view(request.other_method)
                                      : method_name(request.method);
  if (request.body_source != nullptr) {
    Headers headers = request.headers;
    if (!request.body_source_bytes) headers.set("Transfer-Encoding", "chunked");
    co_return co_await connection.stream->write(
        request_header(method, request.target, options.host, headers, request.body_source_bytes));
  }
  const bool has_body = !request.body.empty() || request.method == Method::post ||
                        request.method == Method::put || request.method == Method::patch;
  const std::string header =
      request_header(method, request.target, options.host, request.headers,
                     has_body ? std::optional<std::uint64_t>(request.body.size()) : std::nullopt);
  co_return co_await connection.stream->write(header, request.body);
}

Task<Result<ClientResponse>> Client::Impl::exchange(const ClientRequest& request, bool& kept) {
  const auto slot = co_await slots.take();
  CO_TRY(connection, co_await connect(kept));
  CO_CHECK(co_await write_request(connection, request));
  const bool to_head = request.method == Method::head;
  CO_TRY(header, co_await read_answer_header(connection, to_head, options.name));
  MessageParser<false>& parser = *header;
  ClientResponse response{.status = static_cast<int>(parser.message().result_int()),
                          .headers = to_headers(parser.message()),
                          .body = {}};
  for (;;) {
    CO_TRY(piece, co_await read_piece(connection, parser, options.name));
    if (piece.empty()) break;
    const std::size_t bytes_max =
        request.answer_bytes_max > 0 ? request.answer_bytes_max : options.answer_bytes_max;
    if (response.body.size() + piece.size() > bytes_max) {
      co_return fail(Code::too_large, options.name + " sent too large an answer.");
    }
    response.body += piece;
  }
  // After 101 the connection speaks something else; what has come behind an answer answers nothing.
  const bool is_at_rest = response.status != 101 && connection.buffer.empty();
  if (parser.keep_alive() && is_at_rest && !closed && idle.size() < options.idle_max) {
    idle.push_back(std::move(connection));
  }
  co_return response;
}

Task<Result<ClientResponse>> Client::Impl::send(ClientRequest request) {
  bool kept = false;
  auto response = co_await exchange(request, kept);
  const bool broke = !response && response.error().code == Code::unavailable;
  if (broke && kept && request.idempotent) response = co_await exchange(request, kept);
  co_return response;
}

Task<Result<std::unique_ptr<ResponseStream>>> Client::Impl::open(ClientRequest request) {
  bool kept = false;
  CO_TRY(connection, co_await within(clock, request.deadline, options.name.c_str(), connect(kept)));
  CO_CHECK(co_await within(clock, request.deadline, options.name.c_str(),
                           write_request(connection, request)));
  BodyExchange exchange(connection, request, options.name, clock);
  CO_TRY(parser, request.body_source != nullptr ? co_await exchange.run()
                                                : co_await answer_to(connection, request));
  co_return std::make_unique<OpenAnswer>(std::move(connection), std::move(parser), options.name);
}

Task<Result<Client::Impl::Parser>> Client::Impl::answer_to(Connection& connection,
                                                           const ClientRequest& request) {
  co_return co_await within(
      clock, request.deadline, options.name.c_str(),
      read_answer_header(connection, request.method == Method::head, options.name));
}

Client::Client(Connector connector, ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(connector), std::move(options))) {}

Client::~Client() { close(); }

Task<Result<ClientResponse>> Client::send(ClientRequest request) {
  const auto impl = impl_;  // outlives the client's owner if it forgets us meanwhile
  const auto deadline = request.deadline;
  co_return co_await within(impl->clock, deadline, impl->options.name.c_str(),
                            impl->send(std::move(request)));
}

Task<Result<std::unique_ptr<ResponseStream>>> Client::open(ClientRequest request) {
  const auto impl = impl_;
  co_return co_await impl->open(std::move(request));
}

void Client::close() {
  impl_->closed = true;
  impl_->idle.clear();
}

}  // namespace matrx::http
