#include "http/client.hpp"

#include <array>
#include <vector>

#include "async/turns.hpp"
#include "base/limits.hpp"
#include "http/parser.hpp"

namespace matrx::http {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

struct Connection {
  std::unique_ptr<Stream> stream;
  std::string buffer;  // received, not yet parsed
};

Task<Result<void>> read_more(Connection& connection, MessageParser<false>& parser,
                             const std::string& name) {
  std::array<char, kReadBytes> bytes;
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

class OpenAnswer : public ResponseStream {
 public:
  OpenAnswer(Connection connection, std::unique_ptr<MessageParser<false>> parser, std::string name)
      : connection_(std::move(connection)),
        parser_(std::move(parser)),
        headers_(to_headers(parser_->message())),
        name_(std::move(name)) {}

  ~OpenAnswer() override { connection_.stream->close(); }
  int status() const override { return parser_->message().result_int(); }
  const Headers& headers() const override { return headers_; }
  Task<Result<std::string>> read_some() override {
    return read_piece(connection_, *parser_, name_);
  }
  void close() override { connection_.stream->close(); }

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
  const bool has_body = !request.body.empty() || request.method == Method::post ||
                        request.method == Method::put || request.method == Method::patch;
  const std::string header =
      request_header(request.method, request.target, options.host, request.headers,
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
    if (response.body.size() + piece.size() > options.answer_bytes_max) {
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
  CO_TRY(connection, co_await connect(kept));
  CO_CHECK(co_await write_request(connection, request));
  CO_TRY(parser, co_await read_answer_header(connection, false, options.name));
  co_return std::make_unique<OpenAnswer>(std::move(connection), std::move(parser), options.name);
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
  const auto deadline = request.deadline;
  co_return co_await within(impl->clock, deadline, impl->options.name.c_str(),
                            impl->open(std::move(request)));
}

void Client::close() {
  impl_->closed = true;
  impl_->idle.clear();
}

}  // namespace matrx::http
