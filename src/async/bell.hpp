#pragma once
// A Notice that remembers: what rings while nobody waits is heard by the next wait. For one waiter.

#include "async/notice.hpp"

namespace matrx {

class Bell {
 public:
  void ring() {
    rung_ = true;
    notice_.notify();
  }

  // Returns when it has rung since the last wait, or after the timeout.
  Task<void> wait(milliseconds timeout) {
    if (!rung_) co_await notice_.wait(timeout);
    rung_ = false;
  }

 private:
  bool rung_ = false;
  Notice notice_;
};

}  // namespace matrx
