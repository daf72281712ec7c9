#pragma once
// One simulated process: an event loop on virtual time that can be killed at any moment.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <vector>

#include "async/clock.hpp"

namespace matrx {

// Virtual time. Moves only when everybody sleeps.
class SimClock : public Clock {
 public:
  explicit SimClock(TimePoint start) : now_(start) {}

  TimePoint now() const override { return now_; }
  milliseconds uptime() const override { return now_.time_since_epoch(); }
  Task<void> sleep(milliseconds duration) override;

  // Wakes the next sleeper that is due up to `limit`, moving time to it; false: there is none.
  bool wake_next(TimePoint limit);
  void move_to(TimePoint at) { now_ = std::max(now_, at); }

 private:
  struct Sleeper {
    asio::steady_timer* timer;
    bool* fired;
  };

  TimePoint now_;
  std::multimap<TimePoint, Sleeper> sleepers_;
};

// kill() ends every coroutine where it stands: destructors run, nothing is awaited any more, as
// with kill -9, but without losing the memory of the test. Objects that coroutines use must
// outlive kill(), and must be gone before the context.
class SimContext : public asio::io_context {
 public:
  SimContext() : asio::io_context(1) {}
  void kill() { shutdown(); }
};

// Runs all of them, turn by turn, until nothing is left to do before `until`, or until stop_if()
// says so.
void run_virtual(
    const std::vector<SimContext*>& contexts, SimClock& clock, TimePoint until,
    const std::function<bool()>& stop_if = [] { return false; });

// A host's clock that somebody sets: the time since boot goes on as it does.
class SteppedClock : public Clock {
 public:
  explicit SteppedClock(SimClock& right) : right_(right) {}
  TimePoint now() const override { return right_.now() + step_; }
  milliseconds uptime() const override { return right_.uptime(); }
  Task<void> sleep(milliseconds duration) override { return right_.sleep(duration); }
  void set(milliseconds step) { step_ = step; }

 private:
  SimClock& right_;
  milliseconds step_{0};
};

// A clock that goes wrong: as far from the right time as its offset.
class SkewedClock : public Clock {
 public:
  SkewedClock(SimClock& right, milliseconds offset) : right_(right), offset_(offset) {}
  TimePoint now() const override { return right_.now() + offset_; }
  milliseconds uptime() const override { return right_.uptime(); }
  Task<void> sleep(milliseconds duration) override { return right_.sleep(duration); }

 private:
  SimClock& right_;
  milliseconds offset_;
};

}  // namespace matrx
