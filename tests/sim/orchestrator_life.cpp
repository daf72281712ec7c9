#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

CoreSettings sim_settings() {
  CoreSettings settings;
  settings.installation = kSimInstallation;
  settings.image = "sim";
  settings.shutdown_timeout = std::chrono::seconds(5);
  settings.reconcile_interval = std::chrono::seconds(10);
  return settings;
}

}  // namespace

OrchestratorLife::OrchestratorLife(SimWorld& world, TimePoint now, std::uint64_t seed)
    : context_(std::make_unique<SimContext>()),
      clock_(std::make_unique<SimClock>(now)),
      random_(seed),
      store_(world, *clock_),
      runtime_(world, *clock_),
      guest_(world, *clock_),
      core_(std::make_unique<Core>(context_->get_executor(), sim_settings(), store_, runtime_,
                                   guest_, *clock_, random_)),
      clients_(context_->get_executor()) {
  core_->start();
}

OrchestratorLife::~OrchestratorLife() { context_->kill(); }

void OrchestratorLife::run_for(milliseconds duration) {
  context_->run_virtual(*clock_, clock_->now() + duration);
}

}  // namespace matrx
