#pragma once
// One life of a simulated orchestrator: from start to kill -9.

#include <cstdint>

#include "core/core.hpp"
#include "fakes/sim_context.hpp"
#include "fakes/sim_disk.hpp"
#include "fakes/sim_homes.hpp"
#include "fakes/sim_machine.hpp"
#include "fakes/sim_world.hpp"
#include "ports/cold.hpp"

namespace matrx {

inline constexpr const char* kSimInstallation = "inst-sim";

class OrchestratorLife {
 public:
  struct Options {
    std::string installation = kSimInstallation;
    milliseconds clock_offset{0};
    int history_retention_days = 0;
    milliseconds stray_home_patience{0};
    std::int64_t home_bytes_max = INT64_MAX;
    Census::Limits limits = {};
    ColdMounts* cold = nullptr;  // none: there is no cold storage
  };
  OrchestratorLife(SimWorld& world, std::uint64_t seed)
      : OrchestratorLife(world, seed, Options{}) {}
  OrchestratorLife(SimWorld& world, std::uint64_t seed, const Options& options);
  ~OrchestratorLife();  // kill -9

  void run_for(milliseconds duration);
  void spawn(Task<void> task) { clients_.spawn("client", std::move(task)); }

  // Runs until the task is done; virtual time passes meanwhile.
  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    auto wrapped = [](Task<T> t, std::optional<T>& out) -> Task<void> {
      out.emplace(co_await std::move(t));
    };
    spawn(wrapped(std::move(task), result));
    run_virtual({context_.get()}, world_.clock, TimePoint::max(),
                [&] { return result.has_value(); });
    return std::move(result).value();
  }

  Core& core() { return *core_; }
  SimContext& context() { return *context_; }
  SimMachine& machine() { return machine_; }

 private:
  // Destroyed from the bottom up, after kill() has ended every coroutine.
  SimWorld& world_;
  std::unique_ptr<SimContext> context_;
  SkewedClock clock_;
  SeededRandom random_;
  SimStore store_;
  SimRuntime runtime_;
  SimGuest guest_;
  SimMachine machine_;
  SimStorage storage_;
  SimHomes homes_;
  NoColdMounts no_cold_;
  SimDisk disk_;
  std::unique_ptr<Core> core_;
  TaskGroup clients_;
};

}  // namespace matrx
