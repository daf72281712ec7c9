#include "async/race.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <exception>

#include "async/task_failures.hpp"

namespace matrx {
namespace {

struct Ends {
  std::array<std::size_t, 2> order{};
  std::array<std::exception_ptr, 2> errors;
};

// Both on the caller's executor, until `enough` says that the rest is to be cancelled.
template <class Enough>
Task<Ends> run(Enough enough, Task<void> one, Task<void> other) {
  const auto executor = co_await asio::this_coro::executor;
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, std::move(one), asio::deferred),
      asio::co_spawn(executor, std::move(other), asio::deferred));
  auto [order, first, second] = co_await group.async_wait(enough, asio::use_awaitable);
  co_return Ends{order, {first, second}};
}

// The bug first, whoever had it; a cancellation counts only where nothing has cancelled it but the
// caller.
void throw_on(const Ends& ends) {
  const auto& winner = ends.errors[ends.order[0]];
  const auto& loser = ends.errors[ends.order[1]];
  if (winner && !is_cancellation(winner)) std::rethrow_exception(winner);
  if (loser && !is_cancellation(loser)) std::rethrow_exception(loser);
  if (winner) std::rethrow_exception(winner);
}

}  // namespace

Task<int> race(Task<void> one, Task<void> other) {
  const Ends ends =
      co_await run(asio::experimental::wait_for_one(), std::move(one), std::move(other));
  // Cancelled from outside, but one of them was through already: that is the answer.
  if (is_cancellation(ends.errors[ends.order[0]]) && !ends.errors[ends.order[1]]) {
    co_return static_cast<int>(ends.order[1]);
  }
  throw_on(ends);
  co_return static_cast<int>(ends.order[0]);
}

Task<void> both(Task<void> one, Task<void> other) {
  const Ends ends =
      co_await run(asio::experimental::wait_for_one_error(), std::move(one), std::move(other));
  throw_on(ends);
  if (ends.errors[ends.order[1]]) std::rethrow_exception(ends.errors[ends.order[1]]);
}

}  // namespace matrx
