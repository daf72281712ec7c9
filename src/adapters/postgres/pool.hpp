#pragma once
// A few connections for everybody. Reconnects by itself: after a failed try it refuses at once for
// a while, which doubles, so that a database that is down is not stormed when it comes back.

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "async/clock.hpp"
#include "async/turns.hpp"

namespace matrx::postgres {

class Pool {
 public:
  Pool(std::string url, std::size_t connections_max, Clock& clock)
      : url_(std::move(url)), clock_(clock), slots_(connections_max) {}
  ~Pool() { connector_.join(); }

  // One statement with a deadline (kDatabaseDeadline), on any connection. unavailable: the database
  // cannot be reached, or does not answer in time; whether the statement was carried out is then
  // unknown.
  Task<Result<Rows>> run(std::string sql, Params params = {});

  // A connection of the caller's own. unavailable, as above.
  Task<Result<std::unique_ptr<Connection>>> connect();

 private:
  Task<Result<Rows>> run_without_deadline(std::string sql, Params params);

  std::string url_;
  Clock& clock_;
  Slots slots_;
  Slots connecting_{1};
  std::vector<std::unique_ptr<Connection>> idle_;
  TimePoint closed_until_{};
  milliseconds pause_{0};
  Error last_error_;
  asio::thread_pool connector_{1};  // resolving names and signing in may block
};

}  // namespace matrx::postgres
