#pragma once
// One life of a simulated orchestrator: from start to kill -9.

#include "core/core.hpp"
#include "fakes/sim_context.hpp"
#include "fakes/sim_world.hpp"

namespace matrx {

inline constexpr const char* kSimInstallation = "inst-sim";

class OrchestratorLife {
 public:
  OrchestratorLife(SimWorld& world, TimePoint now, std::uint64_t seed);
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
    context_->run_virtual(*clock_, TimePoint::max(), [&] { return result.has_value(); });
    return std::move(result).value();
  }

  Core& core() { return *core_; }
  SimClock& clock() { return *clock_; }

 private:
  // Destroyed from the bottom up, after kill() has ended every coroutine.
  std::unique_ptr<SimContext> context_;
  std::unique_ptr<SimClock> clock_;
  SeededRandom random_;
  SimStore store_;
  SimRuntime runtime_;
  SimGuest guest_;
  std::unique_ptr<Core> core_;
  TaskGroup clients_;
};

}  // namespace matrx
