#include "async/task_group.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>

#include "async/task_failures.hpp"
#include "base/limits.hpp"

namespace matrx {

TaskGroup::TaskGroup(Executor executor)
    : executor_(executor), idle_(executor, asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(const char* name, Task<void> task) {
  const auto place = signals_.emplace(signals_.end());
  auto done = [this, place, name](std::exception_ptr error) {
    if (error && !is_cancellation(error)) note_task_failure(executor_, name, error);
    signals_.erase(place);
    if (signals_.empty()) idle_.cancel();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(place->slot(), std::move(done)));
  // Who is late for the end has to go as well: the owner may be waiting for it already.
  if (cancelled_) place->emit(asio::cancellation_type::terminal);
}

void TaskGroup::spawn_for_ever(const char* name, Clock& clock, std::function<Task<void>()> make) {
  spawn(name, run_for_ever(name, clock, std::move(make)));
}

Task<void> TaskGroup::run_for_ever(const char* name, Clock& clock,
                                   std::function<Task<void>()> make) {
  milliseconds pause = kTaskRestartMin;
  for (;;) {
    const milliseconds began = clock.uptime();
    std::exception_ptr error;
    try {
      co_await make();
    } catch (...) {
      error = std::current_exception();
    }
    if (!error) co_return;
    // An aborted wait that nobody has asked for is a bug like any other.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) std::rethrow_exception(error);
    note_task_failure(co_await asio::this_coro::executor, name, error);
    if (clock.uptime() - began > kTaskRestartMax) pause = kTaskRestartMin;
    co_await clock.sleep(pause);
    pause = std::min<milliseconds>(pause * 2, kTaskRestartMax);
  }
}

void TaskGroup::cancel() {
  cancelled_ = true;
  // A task may end, and so leave the list, while its signal is being emitted.
  for (auto it = signals_.begin(); it != signals_.end();) {
    auto& signal = *it++;
    signal.emit(asio::cancellation_type::terminal);
  }
}

Task<void> TaskGroup::join() {
  while (!signals_.empty()) {
    boost::system::error_code ignored;
    co_await idle_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

}  // namespace matrx
