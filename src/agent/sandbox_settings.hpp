#pragma once
// What the orchestrator has told this agent about its sandbox: at the start, and by POST /init.

#include <string>

#include "model/sandbox.hpp"

namespace matrx::agent {

struct SandboxSettings {
  Pairs environment;            // of every command: the container's own, then that of /init
  Pairs variables;              // those of /init alone; GET /envs
  std::string default_user;     // empty: the image's (agent, uid 1000, root)
  std::string default_workdir;  // empty: the user's home
  std::string access_token;     // empty: none is asked for
};

}  // namespace matrx::agent
