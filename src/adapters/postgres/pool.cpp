#include "adapters/postgres/pool.hpp"

#include <algorithm>

#include "async/offload.hpp"
#include "base/limits.hpp"

namespace matrx::postgres {

Task<Result<Rows>> Pool::run(std::string sql, Params params) {
  auto answer = co_await within(clock_, milliseconds(kDatabaseDeadline), "The registry's database",
                                run_without_deadline(std::move(sql), std::move(params)));
  if (!answer && answer.error().code == Code::timeout) answer.error().code = Code::unavailable;
  co_return answer;
}

Task<Result<Rows>> Pool::run_without_deadline(std::string sql, Params params) {
  const auto slot = co_await slots_.take();
  std::unique_ptr<Connection> connection;
  while (!idle_.empty() && !connection) {
    connection = std::move(idle_.back());
    idle_.pop_back();
    if (!connection->is_usable()) connection.reset();  // closed by the server while it was idle
  }
  if (!connection) {
    CO_TRY(fresh, co_await connect());
    connection = std::move(fresh);
  }
  auto rows = co_await connection->query(std::move(sql), std::move(params));
  if (connection->is_usable()) idle_.push_back(std::move(connection));
  co_return rows;
}

Task<Result<std::unique_ptr<Connection>>> Pool::connect() {
  // One at a time: a try that hangs must not have a queue of others behind it that hang as well.
  const auto turn = co_await connecting_.take();
  if (clock_.now() < closed_until_) co_return std::unexpected(last_error_);
  auto work = [url = url_] { return Connection::open(url); };
  auto connection = co_await offload(connector_, std::move(work));
  if (connection) {
    pause_ = milliseconds(0);
    (*connection)->attach(co_await asio::this_coro::executor);
    co_return connection;
  }
  last_error_ = connection.error();
  pause_ = std::clamp<milliseconds>(pause_ * 2, kReconnectDelayMin, kDatabaseReconnectMax);
  closed_until_ = clock_.now() + pause_;
  co_return connection;
}

}  // namespace matrx::postgres
