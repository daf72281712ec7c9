#pragma once
// The real agent as a process of this host, for the suites that hold it to its contracts.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "fakes/patience.hpp"

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

// Until it can be connected to: the file alone is there a moment earlier. False: it does not come.
inline bool wait_for_agent(const std::string& socket) {
  const int tries = patience(3000);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof address.sun_path - 1);
  for (int i = 0; i < tries; ++i) {
    const int line = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_there =
        ::connect(line, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(line);
    if (is_there) return true;
    ::usleep(10'000);
  }
  return false;
}

}  // namespace matrx
