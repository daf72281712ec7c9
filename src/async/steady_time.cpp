#include "async/steady_time.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx {
namespace {

double in_seconds(milliseconds duration) { return static_cast<double>(duration.count()) / 1000; }

}  // namespace

SteadyTime::SteadyTime(const Clock& clock)
    : clock_(clock), offset_(clock.now().time_since_epoch() - clock.boot_time()) {}

TimePoint SteadyTime::now() {
  const milliseconds since_boot = clock_.boot_time();
  const milliseconds apart = clock_.now().time_since_epoch() - (since_boot + offset_);
  if (std::chrono::abs(apart) <= kClockStepMin) {
    if (step_ != milliseconds(0)) log::info("the host's clock is back where it was");
    step_ = milliseconds(0);
    offset_ += apart;
  } else {
    if (std::chrono::abs(apart - step_) > kClockStepMin) {
      log::warning(
          "the host's clock was set; lifetimes go on as before until a restart, or until no "
          "sandbox lives here",
          {{"seconds", in_seconds(apart)}});
    }
    step_ = apart;
  }
  return TimePoint(since_boot + offset_);
}

void SteadyTime::confirm() {
  offset_ = clock_.now().time_since_epoch() - clock_.boot_time();
  if (step_ != milliseconds(0)) {
    log::warning("the host's new time is taken over", {{"seconds", in_seconds(step_)}});
  }
  step_ = milliseconds(0);
}

}  // namespace matrx
