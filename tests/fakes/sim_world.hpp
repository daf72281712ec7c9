#pragma once
// What outlives a crash of the orchestrator: the registry's rows and the engine's containers. And
// what goes wrong with them: delays, failures, lost answers, all from one seed.

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include "adapters/memory/memory_store.hpp"
#include "fakes/sim_context.hpp"
#include "ports/guest.hpp"
#include "ports/runtime.hpp"
#include "ports/storage.hpp"

namespace matrx {

struct SimFaults {
  double engine_fails = 0;  // probability that a call fails and changes nothing
  double engine_loses = 0;  // probability that a call works and its answer is lost
  double store_fails = 0;
  double store_loses = 0;
  double storage_fails = 0;
  double storage_loses = 0;
  bool storage_hangs = false;  // its calls do not end
  double scans_miss = 0;       // probability that a look at a home that is in use misses some of it
  double removes_fail = 0;  // probability that a container ends and the engine does not let it go
  double kills_fail = 0;    // probability that it does not even end
  double agent_never_ready = 0;
  double agent_is_mute = 0;
  milliseconds delay_max{0};  // of each call
  double lands_late = 0;      // probability that a call is given up, and works later all the same
  bool engine_down = false;
  bool containers_vanish = false;          // somebody removes them before they are started
  bool no_room = false;                    // the engine's host has no memory left
  std::optional<Code> storage_open_fails;  // with that; ping() as well
  bool store_is_full = false;              // it can be read, and nothing can be written
};

struct SimContainer {
  SandboxId id;
  std::string installation;  // whose engine it is on
  std::string container_id;
  ContainerState state = ContainerState::created;
  int exit_code = 0;
  bool out_of_memory = false;
  bool agent_works = true;
  bool agent_is_mute = false;    // hears that it has to end, and does not answer
  std::set<SignalKind> signals;  // that its programs want to send
  int heartbeats = 0;            // the same, as fast as they are taken
};

struct SimHome {
  std::string installation;  // whose disk it is on
  std::string user_id;
  HomeTree tree;
  std::optional<HomeTree> base;
  HomeTree journal;
  std::string made_by;  // as the home itself says; empty: nothing
  bool is_after_restart = false;
};

struct SimDiskState {
  std::int64_t bytes_total = 100'000'000'000;
  std::int64_t bytes_of_others = 0;            // neither ours nor of sandboxes
  std::map<SandboxId, std::int64_t> bytes_of;  // sandboxes, as long as their homes are there
  bool has_reserve = false;
};

struct SimWorld {
  explicit SimWorld(std::uint64_t seed) : random(seed) {}

  bool chance(double probability) {
    return std::uniform_real_distribution<double>(0, 1)(random) < probability;
  }
  // The same of a named trouble; counts how often it struck.
  bool strikes(const char* name, double probability) {
    if (probability <= 0 || !chance(probability)) return false;
    ++struck[name];
    return true;
  }
  int number(int min, int max) { return std::uniform_int_distribution<int>(min, max)(random); }
  milliseconds delay() {
    return milliseconds(number(0, static_cast<int>(faults.delay_max.count())));
  }

  // Something that was asked for is done later, whether or not who asked for it lives.
  void land_later(const char* name, milliseconds delay, std::function<void()> effect) {
    ++struck[name];
    landing.emplace(clock.now() + delay, std::move(effect));
  }
  // What is due. Called before anybody looks.
  void land();

  // A container ends by itself, or is killed from outside.
  void end_container(const SandboxId& id, int exit_code, bool out_of_memory = false);

  std::mt19937_64 random;
  SimFaults faults;
  int pings = 0;  // "are you there?", of engine, store and storage
  SimClock clock{from_unix_ms(1'700'000'000'000)};  // the right time
  SteppedClock wall{clock};                         // of the host that has the registry
  MemoryStore rows{wall};
  std::map<std::string_view, std::int64_t> struck;  // troubles, by their names
  std::multimap<TimePoint, std::function<void()>> landing;
  std::map<SandboxId, SimContainer> containers;
  std::map<SandboxId, SimHome> homes;
  SimDiskState disk;
  std::map<std::string, std::map<Tier, HomeTree>> objects;  // by user
  std::map<std::string, HomeTree> manifests;                // by user
  std::set<std::string> broken_manifests;                   // users whose manifest is none
  std::set<std::string> held_files;                         // paths that programs hold
  bool storage_keeps_holes = true;
  bool storage_refuses_files = false;     // and answers everything else
  std::size_t home_nodes_max = SIZE_MAX;  // of a scan
  std::int64_t object_count = 0;
  std::vector<SandboxId> ended_events;  // ends, in order; each watcher reads from where it began
  std::int64_t created_count = 0;
  int heartbeats_noted = 0;    // by the store
  std::optional<double> cpus;  // of the engine's host
  Walls walls;
  std::map<std::string, int> caretaker_rounds;  // per installation
  int wrongly_lost = 0;  // rows that were marked lost while their container was running
  int cut_off = 0;       // commands whose sandbox ended under them
  std::map<std::string, std::int64_t> task_failures;  // of lives that have ended, by task
  // What each life has changed in the storage, and when.
  struct Change {
    std::uint64_t life = 0;
    TimePoint at;
  };
  std::vector<Change> changes;
  std::set<std::uint64_t> cut_off_lives;  // that do not reach the registry
  std::set<SandboxId> unreadable;         // rows that somebody has written by hand
  std::string throws;                     // the method of the store that has a bug
  bool is_shared = true;                  // the registry
};

// The three ports onto that world, for one life of an orchestrator.
class SimRuntime : public Runtime {
 public:
  SimRuntime(SimWorld& world, Clock& clock, std::string installation)
      : world_(world), clock_(clock), installation_(std::move(installation)) {}

  Task<Result<void>> prepare() override;
  Task<Result<void>> ping() override;
  Task<Result<void>> look_after() override;
  const Walls& walls() const override { return world_.walls; }
  std::optional<double> cpus() const override { return world_.cpus; }
  Result<void> check_room() const override;
  Task<Result<std::string>> create(const ContainerSpec& spec) override;
  Task<Result<void>> start(const SandboxId& id) override;
  Task<Result<void>> pause(const SandboxId& id) override;
  Task<Result<void>> resume(const SandboxId& id) override;
  Task<Result<std::string>> logs(const SandboxId& id, int lines, std::size_t bytes_max) override;
  Task<Result<void>> remove(const SandboxId& id) override;
  Task<Result<std::optional<Container>>> inspect(const SandboxId& id) override;
  Task<Result<std::vector<Container>>> list() override;
  Task<Result<void>> watch(std::function<void()> connected,
                           std::function<void(ContainerEvent)> on_event) override;

 private:
  template <class T>
  Task<Result<T>> disturbed(std::function<Result<T>()> act);
  Task<Result<void>> set_paused(const SandboxId& id, bool paused);
  SimContainer* find(const SandboxId& id);  // on this engine

  SimWorld& world_;
  Clock& clock_;
  std::string installation_;
};

class SimGuest : public Guest {
 public:
  SimGuest(SimWorld& world, Clock& clock, std::string installation)
      : world_(world), clock_(clock), installation_(std::move(installation)) {}

  Task<Result<void>> wait_ready(const SandboxId& id, milliseconds limit) override;
  // A command of digits sleeps that many milliseconds; others answer at once.
  Task<Result<ExecOutcome>> exec(const SandboxId& id, const ExecSpec& spec) override;
  Task<Result<void>> shutdown(const SandboxId& id, milliseconds grace) override;
  Task<Result<void>> serve_signals(const SandboxId& id, SignalHandler handler) override;
  void forget(const SandboxId& id) override;

 private:
  SimContainer* alive(const SandboxId& id);

  SimWorld& world_;
  Clock& clock_;
  std::string installation_;
};

class SimStore : public Store {
 public:
  SimStore(SimWorld& world, Clock& clock, std::string installation, std::uint64_t life = 0)
      : world_(world), clock_(clock), installation_(std::move(installation)), life_(life) {}

  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<TimePoint>> now() override;
  Task<Result<Inserted>> insert(Sandbox sandbox, NewEvent event,
                                std::optional<IdempotencyKey> key) override;
  Task<Result<std::optional<Sandbox>>> find_claimed(IdempotencyKey key) override;
  Task<Result<Sandbox>> get(SandboxId id) override;
  Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) override;
  Task<Result<void>> heartbeat(SandboxId id, TimePoint at) override;
  Task<Result<void>> note_active(SandboxId id, TimePoint at) override;
  Task<Result<SandboxPage>> list(ListQuery query) override;
  Task<Result<std::vector<Sandbox>>> list_active(std::string installation) override;
  Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                int limit) override;
  Task<Result<std::vector<Sandbox>>> list_unsaved(std::string installation, std::string user_id,
                                                  int limit) override;
  Task<Result<std::int64_t>> count_active(std::string installation) override;
  Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) override;
  Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) override;
  Task<Result<FeedPage>> feed(std::string after, int limit) override;
  Task<void> wait_for_feed(milliseconds limit) override;
  Task<Result<void>> announce(std::string installation, std::string host_name) override;
  Task<Result<void>> note_clean(std::string installation, TimePoint at) override;
  Task<Result<std::optional<Host>>> host(std::string installation) override;
  Task<Result<bool>> take_lease(std::string name, std::string holder,
                                milliseconds duration) override;
  Task<Result<std::vector<Sandbox>>> list_deserted(TimePoint due, TimePoint silent_since,
                                                   int limit) override;
  Task<Result<int>> prune(TimePoint ended_before, TimePoint unclean_before, int limit) override;

  bool is_shared() const override { return world_.is_shared; }

 private:
  void throw_if(std::string_view method) const;
  template <class T>
  Task<Result<T>> disturbed(Task<Result<T>> act);
  template <class T>
  Task<Result<T>> written(Task<Result<T>> act);

  SimWorld& world_;
  Clock& clock_;
  std::string installation_;
  std::uint64_t life_;
};

}  // namespace matrx
