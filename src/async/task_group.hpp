#pragma once
// A set of tasks with one owner: cancelled together, always joined. One thread only.
//
// Keep it as the last member of its class: it must be gone before what its tasks use.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <string>

#include "async/task.hpp"

namespace matrx {

class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // Starts the task. An exception that leaves it is a bug: it is logged under this name and ends
  // only that task. `name` must outlive the group: use a literal.
  void spawn(const char* name, Task<void> task);

  // Asks every task to end: its current wait throws operation_aborted.
  void cancel();

  // Returns when no task is left.
  Task<void> join();

  std::size_t size() const { return signals_.size(); }

 private:
  Executor executor_;
  asio::steady_timer idle_;
  std::list<asio::cancellation_signal> signals_;
};

}  // namespace matrx
