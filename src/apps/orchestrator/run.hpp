#pragma once
// The whole program but its entry: reads the settings, builds the parts, joins them, runs.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/cold.hpp"
#include "ports/disk.hpp"
#include "ports/guest.hpp"
#include "ports/homes.hpp"
#include "ports/machine.hpp"
#include "ports/runtime.hpp"
#include "ports/storage.hpp"
#include "ports/store.hpp"

namespace matrx {

struct Ports {
  std::unique_ptr<Store> store;
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Guest> guest;
  std::unique_ptr<Machine> machine;  // uses the guest's connections
  std::unique_ptr<Storage> storage;
  std::unique_ptr<Homes> homes;
  std::unique_ptr<ColdMounts> cold;
  std::unique_ptr<Disk> disk;
};

// Between core and its ports: nothing in what is shipped. Test programs put themselves there.
using PortsFilter = std::function<void(Ports& ports)>;

// Returns the exit code: 0 after a clean end, 2 where the set-up is wrong.
int run_orchestrator(const std::vector<std::string>& arguments, const PortsFilter& filter = {});

}  // namespace matrx
