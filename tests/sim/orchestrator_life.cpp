#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

CoreSettings sim_settings(const OrchestratorLife::Options& options) {
  CoreSettings settings;
  settings.installation = options.installation;
  settings.host_name = "host of " + options.installation;
  settings.image = "sim";
  settings.shutdown_timeout = std::chrono::seconds(5);
  settings.reconcile_interval = std::chrono::seconds(10);
  settings.home_sync_interval = std::chrono::seconds(10);
  settings.stray_home_patience = options.stray_home_patience;
  settings.home_bytes_max = options.home_bytes_max;
  settings.limits = options.limits;
  settings.history_retention_days = options.history_retention_days;
  return settings;
}

}  // namespace

OrchestratorLife::OrchestratorLife(SimWorld& world, std::uint64_t seed, const Options& options)
    : world_(world),
      context_(std::make_unique<SimContext>()),
      clock_(world.clock, options.clock_offset),
      random_(seed),
      store_(world, clock_, options.installation, seed),
      runtime_(world, clock_, options.installation),
      guest_(world, clock_, options.installation),
      machine_(world, clock_, options.installation),
      storage_(world, clock_, seed),
      homes_(world, options.installation),
      disk_(world),
      core_(std::make_unique<Core>(
          context_->get_executor(), sim_settings(options), store_, runtime_, guest_, machine_,
          storage_, homes_, options.cold ? *options.cold : no_cold_, disk_, clock_, random_)),
      clients_(context_->get_executor()) {
  core_->start();
}

OrchestratorLife::~OrchestratorLife() {
  for (const auto& [name, count] : core_->task_failures()) {
    world_.task_failures[std::string(name)] += count;
  }
  context_->kill();
}

void OrchestratorLife::run_for(milliseconds duration) {
  run_virtual({context_.get()}, world_.clock, world_.clock.now() + duration);
}

}  // namespace matrx
