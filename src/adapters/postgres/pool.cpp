#include "adapters/postgres/pool.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "async/notice.hpp"
#include "base/limits.hpp"

namespace matrx::postgres {

// Connects on a thread of its own, since resolving names and signing in may block. One try at a
// time: one that hangs must not have others behind it that hang as well. A try belongs to nobody:
// whoever asks next gets what it brings.
class Pool::Dialer {
 public:
  Dialer(std::string url, Clock& clock) : url_(std::move(url)), clock_(clock) {}
  ~Dialer() { thread_.join(); }

  Task<Result<std::unique_ptr<Connection>>> dial() {
    const Executor executor = co_await asio::this_coro::executor;
    for (;;) {
      if (shared_->made) {
        auto connection = std::move(shared_->made);
        if (!connection->is_usable()) continue;
        co_return connection;
      }
      if (clock_.uptime() < shared_->closed_until) co_return std::unexpected(shared_->error);
      if (!shared_->dialing) begin(executor);
      const auto failures = shared_->failures;
      co_await shared_->news.wait(kDatabaseDeadline);
      if (shared_->failures != failures) co_return std::unexpected(shared_->error);
    }
  }

 private:
  struct Shared {
    bool dialing = false;
    std::unique_ptr<Connection> made;  // and nobody has taken it yet
    Error error;
    std::uint64_t failures = 0;
    milliseconds closed_until{0};  // of the clock's uptime
    milliseconds pause{0};
    Notice news;
  };

  void begin(const Executor& executor) {
    shared_->dialing = true;
    // The guard keeps the event loop running while the work is elsewhere.
    auto connect = [shared = std::weak_ptr(shared_), url = url_, &clock = clock_,
                    guard = asio::make_work_guard(executor), executor] {
      // The event loop takes copyable handlers only.
      auto answer = std::make_shared<Result<std::unique_ptr<Connection>>>(Connection::open(url));
      asio::post(executor, [shared, answer, &clock, executor] {
        if (const auto here = shared.lock()) {
          take(*here, std::move(*answer), clock.uptime(), executor);
        }
      });
    };
    asio::post(thread_, std::move(connect));
  }

  static void take(Shared& shared, Result<std::unique_ptr<Connection>> answer, milliseconds now,
                   const Executor& executor) {
    shared.dialing = false;
    if (answer) {
      shared.made = *std::move(answer);
      shared.made->attach(executor);
      shared.pause = milliseconds(0);
    } else {
      shared.error = answer.error();
      ++shared.failures;
      shared.pause =
          std::clamp<milliseconds>(shared.pause * 2, kReconnectDelayMin, kDatabaseReconnectMax);
      shared.closed_until = now + shared.pause;
    }
    shared.news.notify();
  }

  std::string url_;
  Clock& clock_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  asio::thread_pool thread_{1};
};

// A connection that goes back into the pool if it still works, however its use ends.
class Pool::Loan {
 public:
  Loan(Pool& pool, std::unique_ptr<Connection> connection)
      : pool_(pool), connection_(std::move(connection)) {}
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() {
    if (connection_->is_usable()) {
      pool_.idle_.push_back(std::move(connection_));
    } else {
      // Where one has fallen silent, the others have probably done so, too: each of them would
      // cost a deadline before it is noticed.
      pool_.idle_.clear();
    }
  }
  Connection& connection() { return *connection_; }

 private:
  Pool& pool_;
  std::unique_ptr<Connection> connection_;
};

Pool::Pool(std::string url, std::size_t connections_max, Clock& clock)
    : clock_(clock),
      slots_(connections_max),
      dialer_(std::make_unique<Dialer>(std::move(url), clock)) {}

Pool::~Pool() = default;

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
  Loan loan(*this, std::move(connection));
  co_return co_await loan.connection().query(std::move(sql), std::move(params));
}

Task<Result<std::unique_ptr<Connection>>> Pool::connect() { return dialer_->dial(); }

}  // namespace matrx::postgres
