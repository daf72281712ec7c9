#pragma once
// A few connections for everybody. Reconnects by itself: after a failed try it refuses at once for
// a while, which doubles, so that a database that is down is not stormed when it comes back.
//
// Where one query stays without an answer, no connection is trusted that has answered nothing since
// it was sent: a database that moved away silently takes them all with it.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "async/clock.hpp"
#include "async/turns.hpp"

namespace matrx::postgres {

class Pool {
 public:
  Pool(std::string url, std::size_t connections_max, Clock& clock);
  ~Pool();

  // One statement with a deadline (kDatabaseDeadline), on any connection. unavailable: the database
  // cannot be reached, or does not answer in time; whether the statement was carried out is then
  // unknown.
  Task<Result<Rows>> run(std::string sql, Params params = {});

  // A connection of the caller's own. unavailable, as above. One who is cancelled meanwhile leaves
  // the try to the next, so that connecting may take longer than anybody waits.
  Task<Result<std::unique_ptr<Connection>>> connect();

 private:
  class Dialer;
  class Loan;
  struct Idle {
    std::unique_ptr<Connection> connection;
    milliseconds answered_at;  // of the clock's uptime
  };

  Task<Result<Rows>> run_without_deadline(std::string sql, Params params);
  // May be one that others have used.
  Task<Result<std::unique_ptr<Connection>>> borrow();
  std::unique_ptr<Connection> take_idle();
  void distrust_before(milliseconds moment);

  Clock& clock_;
  Slots slots_;
  std::vector<Idle> idle_;
  std::multiset<milliseconds> asked_at_;  // of the queries under way
  std::unique_ptr<Dialer> dialer_;
};

}  // namespace matrx::postgres
