#include "fakes/sim_context.hpp"

#include <boost/asio/redirect_error.hpp>

namespace matrx {

Task<void> SimClock::sleep(milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  bool fired = false;
  struct Bed {
    std::multimap<TimePoint, Sleeper>& sleepers;
    std::multimap<TimePoint, Sleeper>::iterator at;
    bool& fired;
    ~Bed() {
      if (!fired) sleepers.erase(at);
    }
  };
  const auto wake_at = now_ + std::max(duration, milliseconds(0));
  const Bed bed{sleepers_, sleepers_.emplace(wake_at, Sleeper{&timer, &fired}), fired};
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (!fired) throw boost::system::system_error(asio::error::operation_aborted);
}

bool SimClock::wake_next(TimePoint limit) {
  if (sleepers_.empty() || sleepers_.begin()->first > limit) return false;
  const auto [at, sleeper] = *sleepers_.begin();
  sleepers_.erase(sleepers_.begin());
  now_ = std::max(now_, at);
  *sleeper.fired = true;
  sleeper.timer->cancel();
  return true;
}

void run_virtual(const std::vector<SimContext*>& contexts, SimClock& clock, TimePoint until,
                 const std::function<bool()>& stop_if) {
  for (;;) {
    bool busy = false;
    for (SimContext* context : contexts) {
      context->restart();
      if (context->poll_one() == 0) continue;
      busy = true;
      if (stop_if()) return;
    }
    if (!busy && !clock.wake_next(until)) break;
  }
  clock.move_to(until);
}

}  // namespace matrx
