// The last steps before execve(): run in a child that still shares the supervisor's memory.

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "agent/supervisor.hpp"

namespace matrx::agent {
namespace {

constexpr std::string_view kCommandOomScore =
    "300";  // of 1000; the agent has what its container got, 0 mostly

// Also clears close-on-exec where both are the same number.
bool move_to(int from, int to) {
  if (from == to) return ::fcntl(from, F_SETFD, 0) == 0;
  return ::dup2(from, to) == to;
}

bool set_stdio(const LaunchPlan& plan) {
  for (int i = 0; i < 3; ++i) {
    if (!move_to(plan.stdio[i], i)) return false;
  }
  return plan.cwd_file < 0 || move_to(plan.cwd_file, kCwdFile);
}

// Plain system calls: the C library's versions would speak to the threads of a process whose
// memory we only borrow.
bool set_user(const LaunchPlan& plan) {
  if (!plan.change_user) return true;
  return ::syscall(SYS_setgroups, plan.groups_count, plan.groups) == 0 &&
         ::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) == 0 &&
         ::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) == 0;
}

// Where memory runs out, the kernel takes what a user has started before the agent and its
// supervisors, without which the whole sandbox ends. Raising it needs no right; who has more
// already keeps it.
void go_before_the_agent() {
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t count =
      ::write(file, kCommandOomScore.data(), kCommandOomScore.size());
  ::close(file);
}

int enter_directory(const LaunchPlan& plan, int& index) {
  int error = 0;
  for (int i = 0; plan.directories[i] != nullptr; ++i) {
    index = i;
    if (::chdir(plan.directories[i]) == 0) return 0;
    error = errno;
  }
  return error;
}

int run_program(const LaunchPlan& plan) {
  int error = ENOENT;
  for (int i = 0; plan.programs[i] != nullptr; ++i) {
    // A busybox goes by its name: called "bash" its sh would refuse.
    if (plan.named_after_program) plan.arguments[0] = const_cast<char*>(plan.programs[i]);
    ::execve(plan.programs[i], plan.arguments, plan.environment);
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
    // As execvp(): what may not be run is passed over, too, but remembered.
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
  }
  return error;
}

}  // namespace

LaunchFailure become_command(const LaunchPlan& plan, int& directory_index) {
  ::setsid();
  go_before_the_agent();
  if (!set_stdio(plan)) return {LaunchStep::stdio, errno};
  // We lead a session without a terminal, so this one becomes its own, with us in the foreground.
  if (plan.terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) return {LaunchStep::stdio, errno};
  if (!set_user(plan)) return {LaunchStep::user, errno};
  if (const int error = enter_directory(plan, directory_index)) {
    return {LaunchStep::directory, error};
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return {LaunchStep::program, run_program(plan)};
}

void close_all_but(const int* keep, std::size_t count) {
  unsigned next = 0;
  const auto close_gap = [](unsigned first, unsigned last) {
    if (first > last) return;
    if (::syscall(SYS_close_range, first, last, 0) == 0) return;
    const long most = ::sysconf(_SC_OPEN_MAX);  // kernels before 5.9
    const auto end = static_cast<unsigned>(most > 0 && most < 65536 ? most : 65536);
    for (unsigned number = first; number <= last && number < end; ++number) {
      ::close(static_cast<int>(number));
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (keep[i] < 0) continue;
    const auto number = static_cast<unsigned>(keep[i]);
    if (number > 0) close_gap(next, number - 1);
    next = number + 1;
  }
  close_gap(next, ~0U);
}

}  // namespace matrx::agent
