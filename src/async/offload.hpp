#pragma once
// Blocking work on a worker thread, awaited from the I/O thread.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <type_traits>

#include "async/task.hpp"

namespace matrx {

// Runs the plain function on the pool; the caller goes on where it was. The function must own or
// outlive what it uses: cancellation does not interrupt it, the caller still waits for its end.
template <class F>
Task<std::invoke_result_t<F&>> offload(asio::thread_pool& pool, F function) {
  using T = std::invoke_result_t<F&>;
  auto run = [](F f) -> Task<T> { co_return f(); };
  co_return co_await asio::co_spawn(pool, run(std::move(function)), asio::use_awaitable);
}

}  // namespace matrx
