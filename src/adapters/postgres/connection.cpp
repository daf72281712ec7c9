#include "adapters/postgres/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::postgres {
namespace {

using boost::asio::posix::stream_descriptor;

std::string one_line(std::string_view text) {
  std::string line(trim(text));
  for (char& c : line) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return line;
}

// Postgres's error codes: https://www.postgresql.org/docs/15/errcodes-appendix.html
Error to_error(const PGresult* result) {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string state = field ? field : "";
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  std::string internal = fmt::format("SQLSTATE {}: {}", state,
                                     one_line(primary ? primary : PQresultErrorMessage(result)));
  // Where a constraint says no, the detail is the whole row: its owner's words are not for the log.
  const bool shows_values =
      state.starts_with("22") || (state.starts_with("23") && state != "23505");
  if (detail && !shows_values) internal += fmt::format(" ({})", one_line(detail));
  if (state == "40001" || state == "40P01") {  // serialization failure, deadlock
    return {Code::conflict, "The registry is being changed by others; try again.", internal};
  }
  if (state == "23505") return {Code::conflict, "It exists already.", internal};
  if (state.starts_with("42")) {  // no such table or column, no permission
    return {Code::unavailable,
            "The registry's database is not as it should be: apply the files in migrations/.",
            internal};
  }
  if (state.starts_with("22") || state.starts_with("23")) {
    return {Code::internal, "The registry refuses a value.", internal};
  }
  if (state == "53100") return {Code::exhausted, "The disk of the registry is full.", internal};
  if (state == "25006") {
    return {Code::unavailable, "The registry's database takes no changes.", internal};
  }
  return {Code::unavailable, "The registry's database does not work.", internal};
}

std::string with_option(const char* keyword, const std::string& value) {
  return fmt::format(" {}='{}'", keyword, value);
}

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, OptionsFree>;

// The URL as keywords and values, with what we add where it says nothing.
std::string to_conninfo(const Options& options) {
  std::string conninfo;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    std::string value;
    for (const char c : std::string_view(option->val)) {
      if (c == '\'' || c == '\\') value += '\\';
      value += c;
    }
    conninfo += with_option(option->keyword, value);
  }
  const auto add = [&](const char* keyword, const std::string& value) {
    if (conninfo.find(fmt::format(" {}=", keyword)) == std::string::npos) {
      conninfo += with_option(keyword, value);
    }
  };
  add("connect_timeout", std::to_string(kDatabaseConnectTimeout.count()));
  add("tcp_user_timeout", std::to_string(std::chrono::milliseconds(kDatabaseDeadline).count()));
  add("keepalives_idle", std::to_string(kDatabaseKeepAlive.count()));
  add("keepalives_interval", std::to_string(kDatabaseKeepAlive.count()));
  add("keepalives_count", "2");
  add("application_name", "matrx-orchestrator");
  add("client_encoding", "UTF8");
  return conninfo;
}

}  // namespace

Params& Params::add(std::string text) {
  for (auto nul = text.find('\0'); nul != std::string::npos; nul = text.find('\0', nul)) {
    text.replace(nul, 1, "\xEF\xBF\xBD");
  }
  values_.emplace_back(std::move(text));
  return *this;
}

Params& Params::add(double number) { return add(fmt::format("{}", number)); }

Params& Params::add_null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

std::vector<const char*> Params::pointers() const {
  std::vector<const char*> all;
  all.reserve(values_.size());
  for (const auto& value : values_) all.push_back(value ? value->c_str() : nullptr);
  return all;
}

void Rows::Clear::operator()(PGresult* result) const { PQclear(result); }

int Rows::size() const { return PQntuples(result_.get()); }

bool Rows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::string Rows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string digits = text(row, column);
  std::int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

double Rows::real(int row, int column) const {
  const std::string digits = text(row, column);
  double number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

void Connection::Close::operator()(PGconn* connection) const { PQfinish(connection); }

Result<std::unique_ptr<Connection>> Connection::open(const std::string& url) {
  const Options options(PQconninfoParse(url.c_str(), nullptr));
  if (!options) return fail(Code::invalid, "the Postgres URL cannot be read");
  PGconn* raw = PQconnectdb(to_conninfo(options).c_str());
  std::unique_ptr<Connection> connection(new Connection(raw));
  if (PQstatus(raw) != CONNECTION_OK) {
    return fail(Code::unavailable, "The registry's database cannot be reached.",
                one_line(PQerrorMessage(raw)));
  }
  PQsetnonblocking(raw, 1);
  PQsetNoticeProcessor(raw, [](void*, const char*) {}, nullptr);  // not to our stderr
  return connection;
}

Connection::~Connection() {
  if (socket_) socket_->release();  // the descriptor is libpq's
}

void Connection::attach(Executor executor) {
  socket_ = std::make_unique<stream_descriptor>(executor, PQsocket(connection_.get()));
}

Task<Result<Rows>> Connection::query(std::string sql, Params params) {
  PGconn* const c = connection_.get();
  const auto pointers = params.pointers();
  in_query_ = true;
  if (PQsendQueryParams(c, sql.c_str(), static_cast<int>(pointers.size()), nullptr, pointers.data(),
                        nullptr, nullptr, 0) == 0) {
    co_return std::unexpected(broken());
  }
  for (;;) {
    const int flushed = PQflush(c);
    if (flushed == 0) break;
    if (flushed < 0) co_return std::unexpected(broken());
    co_await socket_->async_wait(stream_descriptor::wait_write, asio::use_awaitable);
    if (PQconsumeInput(c) == 0) co_return std::unexpected(broken());
  }
  Rows last(nullptr);
  for (;;) {
    while (PQisBusy(c) != 0) {
      co_await socket_->async_wait(stream_descriptor::wait_read, asio::use_awaitable);
      if (PQconsumeInput(c) == 0) co_return std::unexpected(broken());
    }
    PGresult* next = PQgetResult(c);
    if (next == nullptr) break;
    last = Rows(next);
  }
  in_query_ = false;
  drain_notifications();
  if (!last.result_) co_return std::unexpected(broken());
  const auto status = PQresultStatus(last.result_.get());
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) co_return last;
  co_return std::unexpected(to_error(last.result_.get()));
}

Task<Result<bool>> Connection::wait_notification() {
  if (drain_notifications()) co_return true;
  co_await socket_->async_wait(stream_descriptor::wait_read, asio::use_awaitable);
  if (PQconsumeInput(connection_.get()) == 0) co_return std::unexpected(broken());
  co_return drain_notifications();
}

// Unread ones would pile up in libpq.
bool Connection::drain_notifications() {
  bool any = false;
  while (PGnotify* notification = PQnotifies(connection_.get())) {
    any = true;
    PQfreemem(notification);
  }
  return any;
}

bool Connection::is_usable() {
  if (in_query_ || PQstatus(connection_.get()) != CONNECTION_OK) return false;
  pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  // Nobody asked it anything: what it says is its farewell, and the end comes behind that.
  while (::poll(&socket, 1, 0) > 0) {
    if (PQconsumeInput(connection_.get()) == 0) return false;
  }
  return PQstatus(connection_.get()) == CONNECTION_OK;
}

int Connection::server_version() const { return PQserverVersion(connection_.get()); }

Error Connection::broken() const {
  return {Code::unavailable, "The registry's database does not answer.",
          one_line(PQerrorMessage(connection_.get()))};
}

bool is_answering(const std::string& url) {
  const Options options(PQconninfoParse(url.c_str(), nullptr));
  return options && PQping(to_conninfo(options).c_str()) == PQPING_OK;
}

std::optional<std::string> problem_with_url(const std::string& url) {
  // libpq's own messages would repeat parts of the text, and where a password has characters that
  // mean something in a URL, those parts are the password's.
  constexpr const char* kUnreadable =
      "it cannot be read as a Postgres URL; in a password, @ / ? # : and % are written %40 %2F %3F "
      "%23 %3A and %25";
  const Options options(PQconninfoParse(url.c_str(), nullptr));
  if (!options || (url.contains("://") && std::ranges::count(url, '@') > 1)) return kUnreadable;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view value = option->val != nullptr ? option->val : "";
    const bool is_port = std::string_view(option->keyword) == "port";
    if (is_port && value.find_first_not_of("0123456789,") != std::string_view::npos) {
      return kUnreadable;
    }
  }
  return std::nullopt;
}

}  // namespace matrx::postgres
