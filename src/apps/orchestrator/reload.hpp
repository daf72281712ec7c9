#pragma once
// SIGHUP: what can change while the program runs is read again, the API keys and the log level.
// What is wrong changes nothing.

#include <functional>
#include <string>
#include <vector>

#include "apps/orchestrator/config.hpp"

namespace matrx {

class Reload {
 public:
  using UseKeys = std::function<void(std::vector<std::string> keys)>;

  // environment: of the process. Reads the settings' file where one is named, to know later what
  // has changed since.
  Reload(Environment environment, std::vector<std::string> keys, UseKeys use_keys);

  // Once; what came of it is in the log.
  void run();

 private:
  void run_with(const Environment& now);

  Environment environment_, before_;
  std::vector<std::string> keys_;
  UseKeys use_keys_;
};

}  // namespace matrx
