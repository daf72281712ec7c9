#pragma once
// Runs a coroutine to its end in a test.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "async/task.hpp"

namespace matrx {

// Runs the task on the context until it is done (and nothing else is left to do).
template <class T>
T run_task(asio::io_context& io, Task<T> task) {
  std::optional<T> result;
  std::exception_ptr error;
  auto wrapped = [](Task<T> t, std::optional<T>& out) -> Task<void> {
    out.emplace(co_await std::move(t));
  };
  asio::co_spawn(io, wrapped(std::move(task), result), [&](std::exception_ptr e) { error = e; });
  io.restart();
  io.run();
  if (error) std::rethrow_exception(error);
  return std::move(result).value();
}

template <class T>
T run_task(Task<T> task) {
  asio::io_context io(1);
  return run_task(io, std::move(task));
}

void run_task(asio::io_context& io, Task<void> task);
void run_task(Task<void> task);

}  // namespace matrx
