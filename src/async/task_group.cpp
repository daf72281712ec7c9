#include "async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include "base/log.hpp"

namespace matrx {

TaskGroup::TaskGroup(Executor executor)
    : executor_(executor), idle_(executor, asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(const char* name, Task<void> task) {
  const auto place = signals_.emplace(signals_.end());
  auto done = [this, place, name](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
      if (e.code() != asio::error::operation_aborted) {
        log::error("task failed", {{"task", name}, {"error", e.what()}});
      }
    } catch (const std::exception& e) {
      log::error("task failed", {{"task", name}, {"error", e.what()}});
    }
    signals_.erase(place);
    if (signals_.empty()) idle_.cancel();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(place->slot(), std::move(done)));
}

void TaskGroup::cancel() {
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
