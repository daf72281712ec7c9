#pragma once
// What core needs of the configuration.

#include <string>

#include "base/time.hpp"
#include "model/sandbox.hpp"

namespace matrx {

struct CoreSettings {
  std::string installation;  // labels our containers; the same for ever on this host
  std::string image;
  std::string hot_path = "/home/agent";
  std::string cold_path = "/data/cold";
  Resources resources;     // where the request names none
  int ttl_seconds = 7200;  // where the request names none
  int ttl_seconds_max = 86400;
  milliseconds shutdown_timeout{30'000};
  milliseconds reconcile_interval{30'000};
  int relay_port = 49980;  // of the agent's loopback listener, for ORCHESTRATOR_URL
};

}  // namespace matrx
