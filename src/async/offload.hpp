#pragma once
// Blocking work on a worker thread, awaited from the I/O thread.

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <optional>
#include <type_traits>

#include "async/task.hpp"

namespace matrx {

// Runs the plain function on the pool; the caller goes on where it was. The function must own or
// outlive what it uses: cancellation does not interrupt it, the caller still waits for its end.
//
// Not co_spawn on the pool: that hands a cancellation over to the pool's thread, where it meets a
// coroutine that may be ending on ours, and crashes.
template <class F>
Task<std::invoke_result_t<F&>> offload(asio::thread_pool& pool, F function) {
  struct Outcome {
    std::optional<std::invoke_result_t<F&>> value;
    std::exception_ptr error;
  };
  auto begin = [&pool](auto handler, F work) {
    const auto home = asio::get_associated_executor(handler);
    // The guard keeps the event loop running while the work is elsewhere.
    auto run = [handler = std::move(handler), work = std::move(work),
                guard = asio::make_work_guard(home), home]() mutable {
      Outcome outcome;
      try {
        outcome.value.emplace(work());
      } catch (...) {
        outcome.error = std::current_exception();
      }
      auto finish = [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
        std::move(handler)(std::move(outcome));
      };
      asio::post(home, std::move(finish));
    };
    asio::post(pool, std::move(run));
  };
  auto outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Outcome)>(
      std::move(begin), asio::use_awaitable, std::move(function));
  if (outcome.value) co_return *std::move(outcome.value);
  std::rethrow_exception(outcome.error);
}

}  // namespace matrx
