#pragma once
// The time of a registry that no database server keeps: the host's wall clock, as long as that goes
// steadily. A step of it (somebody sets it, NTP after a boot, a virtual machine that goes on after
// a pause) is noticed, told, and not followed: what lives by this time keeps the length of its
// life. Who owns the registry confirms a step, where no life depends on it any more.

#include <string>

#include "async/clock.hpp"

namespace matrx {

class SteadyTime {
 public:
  explicit SteadyTime(const Clock& clock);

  // Small differences (kClockStepMin) are followed at once: that is how clocks are kept right.
  TimePoint now();

  // How far the wall clock is ahead of this time, as of the last now(); 0: nothing was stepped.
  milliseconds step() const { return step_; }

  // From here on the wall clock is right again.
  void confirm();

  // What a restart of the process needs to go on, on the same boot of the machine.
  milliseconds offset() const { return offset_; }
  void resume(milliseconds offset) { offset_ = offset; }

 private:
  const Clock& clock_;
  milliseconds offset_;  // from the time since boot to this time
  milliseconds step_{0};
};

}  // namespace matrx
