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

  std::unique_ptr<Connection> take_made() {
    auto made = std::move(shared_->made);
    return made && made->is_usable() ? std::move(made) : nullptr;
  }

  // Returns when there may be a connection: one was made, or one came back (notify). The error of
  // a try that failed.
  Task<Result<void>> wait() {
    if (clock_.uptime() < shared_->closed_until) co_return std::unexpected(shared_->error);
    if (!shared_->dialing) begin(co_await asio::this_coro::executor);
    const auto failures = shared_->failures;
    co_await shared_->news.wait(kDatabaseDeadline);
    if (shared_->failures != failures) co_return std::unexpected(shared_->error);
    co_return Result<void>();
  }

  void notify() { shared_->news.notify(); }
  void drop_made_before(milliseconds moment) {
    if (shared_->made_at <= moment) shared_->made.reset();
  }

 private:
  struct Shared {
    bool dialing = false;
    std::unique_ptr<Connection> made;  // and nobody has taken it yet
    milliseconds made_at{0};           // of the clock's uptime, as all of these
    Error error;
    std::uint64_t failures = 0;
    milliseconds closed_until{0};
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
      shared.made_at = now;
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
      : pool_(pool),
        connection_(std::move(connection)),
        asked_(pool.asked_at_.insert(pool.clock_.uptime())) {}
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() {
    const milliseconds asked_at = *asked_;
    pool_.asked_at_.erase(asked_);
    if (connection_->is_usable()) {
      pool_.idle_.push_back({std::move(connection_), pool_.clock_.uptime()});
    } else {
      pool_.distrust_before(asked_at);
    }
    pool_.dialer_->notify();
  }
  Connection& connection() { return *connection_; }

 private:
  Pool& pool_;
  std::unique_ptr<Connection> connection_;
  std::multiset<milliseconds>::iterator asked_;
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
  CO_TRY(connection, co_await borrow());
  Loan loan(*this, std::move(connection));
  co_return co_await loan.connection().query(std::move(sql), std::move(params));
}

Task<Result<std::unique_ptr<Connection>>> Pool::borrow() {
  for (;;) {
    if (auto idle = take_idle()) co_return idle;
    if (auto made = dialer_->take_made()) co_return made;
    CO_CHECK(co_await dialer_->wait());
  }
}

std::unique_ptr<Connection> Pool::take_idle() {
  const bool is_silent =
      !asked_at_.empty() && clock_.uptime() - *asked_at_.begin() > kDatabaseSilence;
  if (is_silent) distrust_before(*asked_at_.begin());
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back().connection);
    idle_.pop_back();
    if (connection->is_usable()) return connection;  // not closed by the server meanwhile
  }
  return nullptr;
}

void Pool::distrust_before(milliseconds moment) {
  std::erase_if(idle_, [&](const Idle& idle) { return idle.answered_at <= moment; });
  dialer_->drop_made_before(moment);
}

Task<Result<std::unique_ptr<Connection>>> Pool::connect() {
  for (;;) {
    if (auto made = dialer_->take_made()) co_return made;
    CO_CHECK(co_await dialer_->wait());
  }
}

}  // namespace matrx::postgres
