#include "agent/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "agent/limits.hpp"
#include "agent/proc_table.hpp"

extern "C" char _end;  // of the program's own data; the heap begins behind it

namespace matrx::agent {
namespace {

constexpr std::size_t kChildStackBytes = 64 * 1024;
constexpr int kSignalsMax = 64;

// What the child, which shares our memory until execve(), leaves for us.
struct Birth {
  const LaunchPlan* plan = nullptr;
  LaunchFailure failure;
  int directory_index = 0;
};

int child_main(void* argument) {
  auto& birth = *static_cast<Birth*>(argument);
  birth.failure = become_command(*birth.plan, birth.directory_index);
  ::_exit(127);
}

void ignore_signal(int) {}

std::int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void reset_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= kSignalsMax; ++signal) ::sigaction(signal, &action, nullptr);
  // Only so that ppoll() wakes up: a signal with the default action SIG_IGN would not end it.
  action.sa_handler = ignore_signal;
  ::sigaction(SIGCHLD, &action, nullptr);
}

// Gives back the copy of the agent's heap: nothing in it is needed after the start, and each page
// that the agent writes later would stay in memory twice. The first pages hold the thread's own
// data (a static program keeps it there), they stay.
void drop_heap() {
  constexpr std::uintptr_t kPage = 4096;
  const auto thread = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  const auto heap_end = reinterpret_cast<std::uintptr_t>(::sbrk(0)) & ~(kPage - 1);
  if (thread < reinterpret_cast<std::uintptr_t>(&_end) || thread >= heap_end) return;
  const auto first = (thread + 3 * kPage) & ~(kPage - 1);
  if (first < heap_end) {
    ::madvise(reinterpret_cast<void*>(first), heap_end - first, MADV_DONTNEED);
  }
}

class Supervisor {
 public:
  explicit Supervisor(const LaunchPlan& plan) : plan_(plan), control_(plan.control) {}

  [[noreturn]] void run() {
    prepare();
    start_command();
    drop_heap();
    for (;;) {
      reap();
      if (nobody_left_) leave();
      wait();
      obey();
    }
  }

 private:
  void prepare() {
    ::prctl(PR_SET_NAME, "matrx-sup", 0, 0, 0);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    reset_signals();
    sigfillset(&only_child_signals_);
    sigdelset(&only_child_signals_, SIGCHLD);
    int keep[] = {plan_.stdio[0], plan_.stdio[1], plan_.stdio[2], plan_.cwd_file, control_};
    std::sort(std::begin(keep), std::end(keep));
    close_all_but(keep, std::size(keep));
  }

  void start_command() {
    alignas(16) static char stack[kChildStackBytes];
    Birth birth{.plan = &plan_, .failure = {}, .directory_index = 0};
    // As vfork(): no copy of page tables; we go on when the child has called execve() or ended.
    child_ = ::clone(child_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
    if (child_ < 0) {
      report(Report::Kind::failed, static_cast<int>(LaunchStep::fork), errno);
      ::_exit(0);
    }
    if (birth.failure.step != LaunchStep::none) {
      ::waitpid(child_, nullptr, 0);
      report(Report::Kind::failed, static_cast<int>(birth.failure.step), birth.failure.error);
      ::_exit(0);
    }
    report(Report::Kind::started, child_, birth.directory_index);
    close_all_but(&control_, 1);
  }

  void reap() {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid == 0 || (pid < 0 && errno == EINTR)) return;
      if (pid < 0) {
        nobody_left_ = true;
        return;
      }
      if (pid == child_ && !child_reaped_) {
        child_reaped_ = true;
        report(Report::Kind::exited, status, 0);
      }
    }
  }

  // Until a child ends or an order comes.
  void wait() {
    pollfd item{.fd = control_, .events = POLLIN, .revents = 0};
    ::ppoll(&item, control_ < 0 ? 0 : 1, nullptr, &only_child_signals_);
  }

  void obey() {
    Order order;
    const ssize_t size = control_ < 0 ? -1 : ::recv(control_, &order, sizeof order, MSG_DONTWAIT);
    if (size < 0) return;
    if (size != sizeof order) {  // the agent is gone: nothing may run without it
      ::close(control_);
      control_ = -1;
      return kill_tree();
    }
    switch (order.kind) {
      case Order::Kind::kill:
        return kill_tree();
      case Order::Kind::signal_group:
        // After it was reaped the number may belong to somebody else.
        if (!child_reaped_) ::kill(-child_, order.signal);
        return;
      case Order::Kind::signal_all:
        return signal_all(order.signal);
    }
  }

  void signal_all(int signal) {
    signal_descendants(::getpid(), signal);
    signal_descendants(::getpid(), SIGCONT);  // who is stopped would not hear it
  }

  void kill_tree() {
    const std::int64_t deadline = now_ms() + std::chrono::milliseconds(kKillDeadline).count();
    int found = 0;
    while (now_ms() < deadline) {
      found = kill_descendants(::getpid(), {});
      reap();
      if (nobody_left_) return;
      timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kKillPause).count()};
      ::ppoll(nullptr, 0, &pause, &only_child_signals_);
      reap();
      if (nobody_left_) return;
    }
    report(Report::Kind::kill_failed, found, 0);
  }

  void report(Report::Kind kind, int a, int b) const {
    const Report packet{.kind = kind, .a = a, .b = b};
    if (control_ >= 0) ::send(control_, &packet, sizeof packet, MSG_NOSIGNAL);
  }

  [[noreturn]] void leave() const {
    report(Report::Kind::gone, 0, 0);
    ::_exit(0);
  }

  const LaunchPlan& plan_;
  int control_;
  sigset_t only_child_signals_{};  // every other one stays blocked for good
  pid_t child_ = -1;
  bool child_reaped_ = false;
  bool nobody_left_ = false;
};

}  // namespace

void supervise(const LaunchPlan& plan) {
  Supervisor supervisor(plan);
  supervisor.run();
}

}  // namespace matrx::agent
