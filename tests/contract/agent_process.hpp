#pragma once
// The real agent as a process of this host, for the suites that hold it to its contracts.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace matrx {

// An agent that ends with us and holds nothing of ours open: should a test abort, whoever started
// us would wait for the end of our output for ever.
inline pid_t spawn_agent(const std::string& socket) {
  const char* binary = std::getenv("MATRX_AGENT_BINARY");
  const std::string program = binary ? binary : "matrx-agent";
  const char* arguments[] = {program.c_str(), "serve", "--socket", socket.c_str(),
                             "--relay-port",  "0",     nullptr};
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it has ended before we could ask
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, descriptor);
  ::execv(program.c_str(), const_cast<char* const*>(arguments));
  ::_exit(127);
}

}  // namespace matrx
