#pragma once
// A set of tasks with one owner: cancelled together, always joined. One thread only.
//
// Keep it as the last member of its class: it must be gone before what its tasks use.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <string>

#include "async/clock.hpp"
#include "async/task.hpp"

namespace matrx {

class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // Starts the task. An exception that leaves it is a bug: it is logged under this name, counted
  // (async/task_failures), and ends only that task. `name` must outlive the process: use a literal.
  // After cancel() it ends at its first wait.
  void spawn(const char* name, Task<void> task);

  // The same for a task that must not end while the process lives: one that fails is made anew,
  // after a pause that grows while it goes on failing. The clock outlives the group.
  void spawn_for_ever(const char* name, Clock& clock, std::function<Task<void>()> make);

  // Asks every task to end: its current wait throws operation_aborted.
  void cancel();

  // Returns when no task is left.
  Task<void> join();

  std::size_t size() const { return signals_.size(); }

 private:
  static Task<void> run_for_ever(const char* name, Clock& clock, std::function<Task<void>()> make);

  Executor executor_;
  asio::steady_timer idle_;
  std::list<asio::cancellation_signal> signals_;
  bool cancelled_ = false;
};

}  // namespace matrx
