#pragma once
// Time as a dependency: the wall clock, and sleeping. A simulation brings its own.

#include <algorithm>
#include <optional>
#include <string>

#include "async/race.hpp"
#include "async/task.hpp"
#include "base/time.hpp"

namespace matrx {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;

  // Time since some moment in the past, for measuring how long something takes. Never goes back,
  // whatever somebody does to the wall clock.
  virtual milliseconds uptime() const = 0;

  // The same, and it goes on while the machine sleeps: for what others count meanwhile.
  virtual milliseconds boot_time() const { return uptime(); }

  // Names what boot_time() counts from: another boot of the machine has another name. Empty:
  // unknown.
  virtual std::string boot() const { return {}; }

  // Sleeps at least that long; ends early only by cancellation (throws operation_aborted).
  virtual Task<void> sleep(milliseconds duration) = 0;
};

class SystemClock : public Clock {
 public:
  TimePoint now() const override;
  milliseconds uptime() const override;
  milliseconds boot_time() const override;
  std::string boot() const override;
  Task<void> sleep(milliseconds duration) override;
};

// How long to wait for something, counted from its making.
class Patience {
 public:
  Patience(const Clock& clock, milliseconds limit) : clock_(clock), ends_(clock.uptime() + limit) {}
  bool is_over() const { return clock_.uptime() >= ends_; }
  milliseconds left() const { return std::max(ends_ - clock_.uptime(), milliseconds(0)); }

 private:
  const Clock& clock_;
  milliseconds ends_;
};

// Is it worth something, though the time ran out before it came?
template <class T>
bool is_success(const T&) {
  return false;  // it may be a word for "cancelled"
}
template <class T>
bool is_success(const Result<T>& result) {
  return result.has_value();
}

// Runs the task for at most `limit`; nothing where the time ran out (the task is cancelled and
// has ended by then). What succeeded just when the time ran out is the answer: who reads a stream
// in slices of time loses nothing.
template <class T>
Task<std::optional<T>> with_deadline(Clock& clock, milliseconds limit, Task<T> task) {
  std::optional<T> result;
  const int first = co_await race(await_into(result, std::move(task)), clock.sleep(limit));
  if (first == 1 && result && !is_success(*result)) result.reset();
  co_return result;
}

// The same for tasks that answer Result<T>: a passed deadline becomes Code::timeout.
template <class T>
Task<Result<T>> within(Clock& clock, milliseconds limit, const char* what, Task<Result<T>> task) {
  auto answer = co_await with_deadline(clock, limit, std::move(task));
  if (answer) co_return std::move(*answer);
  co_return fail(Code::timeout, std::string(what) + " did not answer in time");
}

}  // namespace matrx
