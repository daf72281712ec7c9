#pragma once
// What every connection of the gateway needs of the rest.

#include "async/task_group.hpp"
#include "core/core.hpp"

namespace matrx::ssh {

struct GatewayContext {
  Core& core;
  Clock& clock;
  Random& random;
  TaskGroup hang_ups;  // what is left to do for connections that have gone

  // Its client has gone: the process is told so, as by a terminal that is switched off.
  void hang_up(SandboxId id, std::string process_tag);
};

}  // namespace matrx::ssh
