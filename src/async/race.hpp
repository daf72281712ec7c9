#pragma once
// Two tasks side by side, on one thread.
//
// Asio has operators for this, || and &&. They are not used here: || waits for a success, so an
// exception of one side only shows when the other one has ended, if ever; and each pair of types
// costs the compiler a second.

#include <optional>
#include <utility>

#include "async/task.hpp"

namespace matrx {

// Runs both until one has ended, by its end or by an exception; then the other is cancelled, and
// has ended as well when this returns. Answers which was first: 0 or 1. Throws what either has
// thrown, but for the cancellation of the second.
Task<int> race(Task<void> one, Task<void> other);

// Runs both to their ends. What one throws cancels the other, and is thrown when both have ended.
Task<void> both(Task<void> one, Task<void> other);

// Awaits the task into `result`: for the two above, and what is made of them.
template <class T>
Task<void> await_into(std::optional<T>& result, Task<T> task) {
  result.emplace(co_await std::move(task));
}

// What the task answers, or nothing where `limit` has ended before it. Both have ended then.
template <class T>
Task<std::optional<T>> unless_first(Task<void> limit, Task<T> task) {
  std::optional<T> result;
  const int first = co_await race(await_into(result, std::move(task)), std::move(limit));
  if (first == 1) result.reset();
  co_return result;
}

}  // namespace matrx
