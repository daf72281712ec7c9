#pragma once
// How much is taken of a series that a stranger sends: so much in a second, and a reserve for
// bursts.

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace matrx {

class Allowance {
 public:
  Allowance(std::int64_t per_second, std::int64_t reserve, milliseconds now)
      : per_second_(per_second), reserve_(reserve), left_(reserve), at_(now) {}

  // Takes that much; how long to wait before anything more is taken.
  milliseconds take(std::int64_t amount, milliseconds now) {
    // What a long silence adds is cut before it can overflow.
    const auto passed = std::min<std::int64_t>((now - at_).count(), kFullAfterMs);
    left_ = std::min(reserve_, left_ + passed * per_second_ / 1000);
    at_ = now;
    left_ -= amount;
    return milliseconds(left_ >= 0 ? 0 : (-left_ * 1000 + per_second_ - 1) / per_second_);
  }

 private:
  static constexpr std::int64_t kFullAfterMs = 3'600'000;

  std::int64_t per_second_, reserve_, left_;
  milliseconds at_;
};

}  // namespace matrx
