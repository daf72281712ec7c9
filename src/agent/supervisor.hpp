#pragma once
// The supervisor: a tiny process between the agent and one command. It is the nearest subreaper of
// everything that the command ever starts, so whatever double-forks, makes its own session or
// ignores signals still becomes its child, can be found, and is reaped.
//
// It runs between fork and _exit in a copy of the agent: plain system calls only, no allocation,
// no exceptions, nothing of Asio.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace matrx::agent {

// Everything that is needed after the fork, as plain pointers into memory of the agent.
struct LaunchPlan {
  const char* const* programs = nullptr;  // tried in order while they do not exist; null ends
  char** arguments = nullptr;
  bool named_after_program = false;  // argv[0] becomes the program that was found
  char* const* environment = nullptr;
  const char* const* directories = nullptr;  // tried in order; null ends
  bool change_user = false;
  uid_t uid = 0;
  gid_t gid = 0;
  const gid_t* groups = nullptr;
  std::size_t groups_count = 0;
  int stdio[3] = {-1, -1, -1};
  int cwd_file = -1;      // becomes descriptor kCwdFile, where set
  bool terminal = false;  // stdio[0] becomes the controlling terminal
  int control = -1;       // SOCK_SEQPACKET; the agent holds the other end
};

// Where a command finds the file that its last working directory is written to.
inline constexpr int kCwdFile = 198;

// Supervisor → agent, one packet each.
struct Report {
  enum class Kind : std::int32_t {
    started,      // a: pid, b: index of the directory that was taken
    failed,       // a: LaunchStep, b: errno
    exited,       // a: wait status of the command itself
    kill_failed,  // a: how many processes outlived kKillDeadline
    gone,         // no process is left; the supervisor ends
  };
  Kind kind = Kind::gone;
  std::int32_t a = 0;
  std::int32_t b = 0;
};

enum class LaunchStep : std::int32_t { none, fork, stdio, user, directory, program };

// Agent → supervisor, one packet each. The end of the connection means kill.
struct Order {
  enum class Kind : std::int32_t { kill, signal_group, signal_all };
  Kind kind = Kind::kill;
  std::int32_t signal = 0;
};

// The life of a supervisor. Expects that every signal is blocked.
[[noreturn]] void supervise(const LaunchPlan& plan);

// In the child of a supervisor: becomes the command. Returns only what failed.
struct LaunchFailure {
  LaunchStep step = LaunchStep::none;
  int error = 0;
};
LaunchFailure become_command(const LaunchPlan& plan, int& directory_index);

// Closes every descriptor but those of `keep` (sorted, -1 skipped).
void close_all_but(const int* keep, std::size_t count);

}  // namespace matrx::agent
