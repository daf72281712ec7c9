// The promise of the house, under every kind of trouble that a seed can think of: whatever crashes,
// is late, fails or loses its answer, the registry and the containers come to agree again.
//
// MATRX_SIM_SEED=N runs one seed; MATRX_SIM_SEEDS=N how many each shard runs (default 100).

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

constexpr int kShards = 20;
constexpr int kSeedsDefault = 100;  // per shard

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : world_(seed), seed_(seed) {}

  void run() {
    begin_life();
    const int acts = world_.number(10, 40);
    for (int act = 0; act < acts && !testing::Test::HasFailure(); ++act) {
      disturb();
      one_act();
      life_->run_for(milliseconds(world_.number(0, 4000)));
      now_ = life_->clock().now();
      check_always();
    }
    settle();
    check_settled();
  }

 private:
  void begin_life() {
    life_.reset();
    life_ = std::make_unique<OrchestratorLife>(world_, now_, seed_ * 1000 + ++lives_);
  }

  // New odds, now and then.
  void disturb() {
    if (world_.chance(0.3)) {
      world_.faults.engine_fails = world_.chance(0.5) ? 0 : 0.2;
      world_.faults.engine_loses = world_.chance(0.5) ? 0 : 0.2;
      world_.faults.store_fails = world_.chance(0.7) ? 0 : 0.05;
      world_.faults.store_loses = world_.chance(0.7) ? 0 : 0.05;
      world_.faults.agent_never_ready = world_.chance(0.8) ? 0 : 0.5;
      world_.faults.delay_max = milliseconds(world_.chance(0.8) ? 30 : 3000);
    }
    world_.faults.engine_down = world_.chance(0.08);
  }

  void one_act() {
    switch (world_.number(0, 9)) {
      case 0:
      case 1:
      case 2:
        life_->spawn(create());
        break;
      case 3:
        life_->spawn(exec(any_id()));
        break;
      case 4:
        life_->spawn(destroy(any_id(), true));
        break;
      case 5:
        life_->spawn(destroy(any_id(), false));
        break;
      case 6:
        signal(any_id());
        break;
      case 7:
        world_.end_container(any_id(), 1);
        break;
      case 8:
      case 9:
        // Not at a resting point: in the middle of whatever is going on.
        life_->run_for(milliseconds(world_.number(0, 200)));
        now_ = life_->clock().now();
        begin_life();
        break;
      default:
        break;
    }
  }

  Task<void> create() {
    CreateSpec spec;
    spec.user_id = "user";
    spec.ttl_seconds = world_.number(1, 60);
    const auto created = co_await life_->core().create(std::move(spec), {"sim"});
    if (created) EXPECT_EQ(created->status, Status::ready);
  }

  Task<void> exec(SandboxId id) {
    ExecSpec spec;
    spec.command = std::to_string(world_.number(0, 5000));
    const auto outcome = co_await life_->core().exec(id, std::move(spec), {"sim"});
    if (outcome) EXPECT_EQ(outcome->exit_code, 0);
  }

  Task<void> destroy(SandboxId id, bool graceful) {
    const auto gone =
        co_await life_->core().destroy(id, graceful, StopReason::user_requested, {"sim"});
    if (gone) {
      EXPECT_FALSE(world_.containers.contains(id)) << "destroy said done, the container is there";
      destroyed_.insert(id);
    }
  }

  void signal(const SandboxId& id) {
    const auto found = world_.containers.find(id);
    if (found == world_.containers.end()) return;
    found->second.signals.insert(static_cast<SignalKind>(world_.number(0, 2)));
  }

  // Any that there ever was: also one that is just being created, whose id nobody has been told.
  SandboxId any_id() {
    const auto rows = all_rows();
    if (rows.empty()) return SandboxId();
    const int last = static_cast<int>(rows.size()) - 1;
    // Mostly one of the newest few: there is more going on.
    const int index =
        world_.chance(0.7) ? world_.number(0, std::min(last, 3)) : world_.number(0, last);
    return rows[static_cast<std::size_t>(index)].id;
  }

  std::vector<Sandbox> all_rows() {
    ListQuery query;
    query.limit = 1000;
    return run_task(world_.rows.list(std::move(query))).value().sandboxes;
  }

  // What holds at every moment.
  void check_always() {
    for (const auto& [id, container] : world_.containers) {
      EXPECT_TRUE(run_task(world_.rows.get(id)).has_value()) << "container without a row";
    }
    for (const Sandbox& row : all_rows()) {
      if (is_final(row.status)) {
        EXPECT_TRUE(row.stop_reason && row.stopped_at) << "ended without a reason or a time";
        const auto [known, is_new] = final_versions_.emplace(row.id, row.version);
        EXPECT_EQ(known->second, row.version) << "a final row has changed";
      }
      EXPECT_TRUE(is_final(row.status) || !destroyed_.contains(row.id)) << "risen from the dead";
    }
  }

  // The trouble ends; within one minute everything is where it should be.
  void settle() {
    world_.faults = {};
    begin_life();
    life_->run_for(std::chrono::seconds(60));
    now_ = life_->clock().now();
  }

  void check_settled() {
    check_always();
    for (const Sandbox& row : all_rows()) {
      const auto container = world_.containers.find(row.id);
      const bool exists = container != world_.containers.end();
      const std::string what = row.id.text() + " is " + std::string(status_name(row.status));
      if (is_final(row.status)) {
        EXPECT_FALSE(exists) << what << " and has a container";
      } else {
        EXPECT_TRUE(is_usable(row.status)) << what << ": stuck";
        EXPECT_TRUE(exists && container->second.state == ContainerState::running)
            << what << " without a running container";
        EXPECT_GT(row.expires_at, now_ - std::chrono::seconds(15)) << what << ": overdue";
      }
      check_history(row);
    }
  }

  void check_history(const Sandbox& row) {
    std::optional<Status> before;
    for (const auto& event : run_task(world_.rows.events(row.id)).value()) {
      const auto status = parse_status(event.status);
      ASSERT_TRUE(status.has_value());
      if (before) {
        EXPECT_TRUE(can_follow(*before, *status))
            << row.id.text() << ": " << status_name(*before) << " → " << event.status;
      }
      before = status;
    }
  }

  SimWorld world_;
  std::uint64_t seed_;
  TimePoint now_ = from_unix_ms(1'700'000'000'000);
  std::unique_ptr<OrchestratorLife> life_;
  std::uint64_t lives_ = 0;
  std::set<SandboxId> destroyed_;
  std::map<SandboxId, std::int64_t> final_versions_;
};

int number_from_environment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : fallback;
}

class Convergence : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  }
};

TEST_P(Convergence, RegistryAndContainersAgreeInTheEnd) {
  const int one = number_from_environment("MATRX_SIM_SEED", -1);
  const int per_shard = number_from_environment("MATRX_SIM_SEEDS", kSeedsDefault);
  for (int i = 0; i < per_shard; ++i) {
    const int seed = one >= 0 ? one : GetParam() * per_shard + i;
    SCOPED_TRACE("replay with MATRX_SIM_SEED=" + std::to_string(seed));
    Simulation(static_cast<std::uint64_t>(seed)).run();
    if (HasFailure() || one >= 0) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Convergence, testing::Range(0, kShards));

}  // namespace
}  // namespace matrx
