#pragma once
// "Something has changed, look again": wakes every coroutine that waits for it. One thread only.

#include <boost/asio/steady_timer.hpp>
#include <list>

#include "async/task.hpp"
#include "base/time.hpp"

namespace matrx {

class Notice {
 public:
  // Returns when notify() was called, or after the timeout. The caller looks what has changed.
  // Call it in a loop around the condition.
  Task<void> wait(milliseconds timeout);

  void notify();

 private:
  std::list<asio::steady_timer*> waiting_;
};

}  // namespace matrx
