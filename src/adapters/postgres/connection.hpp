#pragma once
// One connection to Postgres: libpq's asynchronous half as coroutines.
//
// Works through a transaction pooler: no session state, no named prepared statements.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"

struct pg_conn;
struct pg_result;

namespace matrx::postgres {

// Parameters of a statement in text form; nothing = NULL. Postgres's text knows no NUL character:
// each becomes U+FFFD.
class Params {
 public:
  Params& add(std::string text);
  Params& add(std::int64_t number) { return add(std::to_string(number)); }
  Params& add(double number);
  Params& add_null();

  std::vector<const char*> pointers() const;

 private:
  std::vector<std::optional<std::string>> values_;
};

// What a statement answered.
class Rows {
 public:
  int size() const;
  bool is_null(int row, int column) const;
  std::string text(int row, int column) const;  // empty for NULL
  std::int64_t integer(int row, int column) const;
  double real(int row, int column) const;
  bool flag(int row, int column) const { return text(row, column) == "t"; }

 private:
  friend class Connection;
  struct Clear {
    void operator()(pg_result* result) const;
  };
  explicit Rows(pg_result* result) : result_(result) {}
  std::unique_ptr<pg_result, Clear> result_;
};

class Connection {
 public:
  // Resolves names, connects and signs in. Blocking, at most kDatabaseConnectTimeout for each
  // address: for a worker thread. unavailable: the message says why, and holds no password.
  static Result<std::unique_ptr<Connection>> open(const std::string& url);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // To be called once on the thread of the event loop, before query().
  void attach(Executor executor);

  // One statement, one at a time. A connection whose query was cancelled must not be used again.
  // unavailable: the database is not there, or not as it should be. conflict: a lost race.
  Task<Result<Rows>> query(std::string sql, Params params);

  // Returns when the server has something to say unasked; true: a notification.
  Task<Result<bool>> wait_notification();

  // False where the server has hung up, or a query did not come to its end.
  bool is_usable();

  int server_version() const;  // as 150004

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  explicit Connection(pg_conn* connection) : connection_(connection) {}
  bool drain_notifications();
  Error broken() const;

  std::unique_ptr<pg_conn, Close> connection_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> socket_;
  bool in_query_ = false;
};

// After a connection that did not come about: true where the server is up and answers, so that it
// is us whom it does not take. Blocking.
bool is_answering(const std::string& url);

// nothing: libpq can read it. Otherwise what is wrong, without any part of the text.
std::optional<std::string> problem_with_url(const std::string& url);

}  // namespace matrx::postgres
