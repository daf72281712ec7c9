#include "fakes/sim_world.hpp"

#include "base/limits.hpp"

#include <algorithm>

namespace matrx {
namespace {

constexpr auto kPoll = milliseconds(200);  // how quickly a fake notices that a container ended
constexpr auto kWatchPoll = milliseconds(100);
constexpr auto kFeedPollSim = milliseconds(250);

std::unexpected<Error> engine_lost() {
  return fail(Code::unavailable, "The container engine cannot be reached.");
}
std::unexpected<Error> store_lost() {
  return fail(Code::unavailable, "The registry's database does not work.");
}
std::unexpected<Error> no_agent() {
  return fail(Code::unavailable, "The guest agent cannot be reached.");
}

}  // namespace

void SimWorld::land() {
  while (!landing.empty() && landing.begin()->first <= clock.now()) {
    const auto effect = std::move(landing.begin()->second);
    landing.erase(landing.begin());
    effect();
  }
}

void SimWorld::end_container(const SandboxId& id, int exit_code, bool out_of_memory) {
  const auto found = containers.find(id);
  if (found == containers.end() || found->second.state == ContainerState::ended) return;
  found->second.state = ContainerState::ended;
  found->second.exit_code = exit_code;
  found->second.out_of_memory = out_of_memory;
  ended_events.push_back(id);
}

// --- Runtime -----------------------------------------------------------------------------------

template <class T>
Task<Result<T>> SimRuntime::disturbed(std::function<Result<T>()> act) {
  if (world_.faults.delay_max.count() > 0) co_await clock_.sleep(world_.delay());
  if (world_.faults.engine_down || world_.strikes("engine fails", world_.faults.engine_fails)) {
    co_return engine_lost();
  }
  world_.land();
  auto result = act();
  if (world_.faults.delay_max.count() > 0) co_await clock_.sleep(world_.delay());
  if (world_.strikes("engine's answer is lost", world_.faults.engine_loses)) {
    co_return engine_lost();
  }
  co_return result;
}

SimContainer* SimRuntime::find(const SandboxId& id) {
  const auto found = world_.containers.find(id);
  const bool ours = found != world_.containers.end() && found->second.installation == installation_;
  return ours ? &found->second : nullptr;
}

Task<Result<void>> SimRuntime::prepare() {
  return disturbed<void>([] { return Result<void>(); });
}

Task<Result<void>> SimRuntime::ping() {
  ++world_.pings;
  return disturbed<void>([] { return Result<void>(); });
}

Task<Result<void>> SimRuntime::look_after() {
  return disturbed<void>([] { return Result<void>(); });
}

Result<void> SimRuntime::check_room() const {
  if (world_.faults.no_room) return fail(Code::unavailable, "The host has no memory left.");
  return {};
}

Task<Result<std::string>> SimRuntime::create(const ContainerSpec& spec) {
  return disturbed<std::string>([this, id = spec.id]() -> Result<std::string> {
    if (world_.chance(world_.faults.lands_late)) {
      const milliseconds delay(world_.number(0, 20'000));
      auto effect = [world = &world_, installation = installation_, id] {
        SimContainer& made = world->containers[id];
        if (!made.container_id.empty()) return;
        made = {.id = id, .installation = installation, .container_id = "late"};
      };
      world_.land_later("container made late", delay, std::move(effect));
      return engine_lost();
    }
    const auto [at, added] = world_.containers.try_emplace(id);
    if (added) {
      at->second.id = id;
      at->second.installation = installation_;
      at->second.container_id = "container-" + std::to_string(++world_.created_count);
      at->second.agent_is_mute = world_.strikes("agent is mute", world_.faults.agent_is_mute);
      at->second.agent_works =
          !world_.strikes("agent is never ready", world_.faults.agent_never_ready);
    }
    return at->second.container_id;
  });
}

Task<Result<void>> SimRuntime::start(const SandboxId& id) {
  return disturbed<void>([this, id]() -> Result<void> {
    if (world_.faults.containers_vanish) world_.containers.erase(id);
    SimContainer* container = find(id);
    if (container == nullptr) return fail(Code::not_found, "No such container.");
    container->state = ContainerState::running;
    return {};
  });
}

Task<Result<void>> SimRuntime::set_paused(const SandboxId& id, bool paused) {
  return disturbed<void>([this, id, paused]() -> Result<void> {
    SimContainer* container = find(id);
    if (container == nullptr) return fail(Code::not_found, "No such container.");
    const auto state = container->state;
    if (state != ContainerState::running && state != ContainerState::paused) {
      return fail(Code::conflict, "The container is not running.");
    }
    container->state = paused ? ContainerState::paused : ContainerState::running;
    return {};
  });
}

Task<Result<void>> SimRuntime::pause(const SandboxId& id) { return set_paused(id, true); }
Task<Result<void>> SimRuntime::resume(const SandboxId& id) { return set_paused(id, false); }

Task<Result<std::string>> SimRuntime::logs(const SandboxId&, int, std::size_t) {
  co_return std::string("a line\n");
}

Task<Result<void>> SimRuntime::remove(const SandboxId& id) {
  return disturbed<void>([this, id]() -> Result<void> {
    if (find(id) == nullptr) return {};
    const auto busy =
        fail(Code::unavailable, "The container engine could not remove the container.");
    if (world_.strikes("container cannot be killed", world_.faults.kills_fail)) return busy;
    world_.end_container(id, 137);
    if (world_.strikes("container cannot be removed", world_.faults.removes_fail)) return busy;
    world_.containers.erase(id);
    return {};
  });
}

Task<Result<std::optional<Container>>> SimRuntime::inspect(const SandboxId& id) {
  return disturbed<std::optional<Container>>([this, id]() -> Result<std::optional<Container>> {
    const SimContainer* found = find(id);
    if (found == nullptr) return std::optional<Container>();
    const SimContainer& c = *found;
    return Container{.container_id = c.container_id,
                     .sandbox_id = c.id,
                     .state = c.state,
                     .exit_code = c.exit_code,
                     .out_of_memory = c.out_of_memory};
  });
}

Task<Result<std::vector<Container>>> SimRuntime::list() {
  return disturbed<std::vector<Container>>([this]() -> Result<std::vector<Container>> {
    std::vector<Container> all;
    for (const auto& [id, c] : world_.containers) {
      if (c.installation != installation_) continue;
      all.push_back({.container_id = c.container_id, .sandbox_id = id, .state = c.state});
    }
    return all;
  });
}

Task<Result<void>> SimRuntime::watch(std::function<void()> connected,
                                     std::function<void(ContainerEvent)> on_event) {
  if (world_.faults.engine_down) co_return engine_lost();
  connected();
  std::size_t next = world_.ended_events.size();
  for (;;) {
    co_await clock_.sleep(kWatchPoll);
    if (world_.faults.engine_down || world_.chance(world_.faults.engine_loses / 10)) {
      co_return engine_lost();
    }
    for (; next < world_.ended_events.size(); ++next) {
      const int copies = world_.chance(0.1) ? 2 : 1;  // the engine may repeat itself
      for (int i = 0; i < copies; ++i) on_event({world_.ended_events[next]});
    }
  }
}

// --- Guest -------------------------------------------------------------------------------------

SimContainer* SimGuest::alive(const SandboxId& id) {
  const auto found = world_.containers.find(id);
  if (found == world_.containers.end()) return nullptr;
  if (found->second.installation != installation_) return nullptr;
  const bool up = found->second.state == ContainerState::running && found->second.agent_works;
  return up ? &found->second : nullptr;
}

Task<Result<void>> SimGuest::wait_ready(const SandboxId& id, milliseconds limit) {
  const TimePoint until = clock_.now() + limit;
  for (;;) {
    if (alive(id) != nullptr) co_return Result<void>();
    if (clock_.now() >= until) co_return fail(Code::timeout, "The agent does not answer.");
    co_await clock_.sleep(std::min<milliseconds>(kPoll, until - clock_.now()));
  }
}

Task<Result<ExecOutcome>> SimGuest::exec(const SandboxId& id, const ExecSpec& spec) {
  const std::string container = alive(id) ? alive(id)->container_id : "";
  if (container.empty()) co_return no_agent();
  const bool sleeps =
      std::ranges::all_of(spec.command, [](char c) { return c >= '0' && c <= '9'; });
  const TimePoint until = clock_.now() + milliseconds(sleeps ? std::stoi(spec.command) : 0);
  while (clock_.now() < until) {
    co_await clock_.sleep(std::min<milliseconds>(kPoll, until - clock_.now()));
    if (alive(id) == nullptr) {
      ++world_.cut_off;
      co_return no_agent();
    }
  }
  co_return ExecOutcome{.stdout_text = spec.command, .cwd = "/home/agent"};
}

Task<Result<void>> SimGuest::shutdown(const SandboxId& id, milliseconds grace) {
  if (alive(id) == nullptr) co_return no_agent();
  if (alive(id)->agent_is_mute) {
    co_await clock_.sleep(grace + kGuestShutdownMargin);
    co_return fail(Code::timeout, "The agent does not answer.");
  }
  co_await clock_.sleep(std::min(grace, world_.delay()));
  world_.end_container(id, 0);
  co_return Result<void>();
}

Task<Result<void>> SimGuest::serve_signals(const SandboxId& id, SignalHandler handler) {
  for (;;) {
    SimContainer* container = alive(id);
    if (container == nullptr) co_return no_agent();
    if (!container->signals.empty()) {
      const SignalKind kind = *container->signals.begin();
      container->signals.erase(kind);
      AgentSignal signal{.kind = kind, .text = "said by the agent", .payload_json = ""};
      (void)co_await handler(std::move(signal));
    }
    // After each await anew: the container may be gone.
    for (container = alive(id); container != nullptr && container->heartbeats > 0;
         container = alive(id)) {
      --container->heartbeats;
      (void)co_await handler({.kind = SignalKind::heartbeat, .text = "", .payload_json = ""});
    }
    co_await clock_.sleep(kPoll);
  }
}

void SimGuest::forget(const SandboxId&) {}

// --- Store -------------------------------------------------------------------------------------

void SimStore::throw_if(std::string_view method) const {
  if (world_.throws == method) throw std::bad_alloc();
}

template <class T>
Task<Result<T>> SimStore::disturbed(Task<Result<T>> act) {
  if (world_.faults.delay_max.count() > 0) co_await clock_.sleep(world_.delay() / 10);
  if (world_.cut_off_lives.contains(life_)) {
    ++world_.struck["registry out of reach"];
    co_await clock_.sleep(kDatabaseDeadline);
    co_return store_lost();
  }
  if (world_.strikes("registry fails", world_.faults.store_fails)) co_return store_lost();
  auto result = co_await std::move(act);
  if (world_.strikes("registry's answer is lost", world_.faults.store_loses)) {
    co_return store_lost();
  }
  co_return result;
}

template <class T>
Task<Result<T>> SimStore::written(Task<Result<T>> act) {
  if (world_.faults.store_is_full) {
    co_return fail(Code::exhausted, "The disk of the registry is full.");
  }
  co_return co_await disturbed(std::move(act));
}

Task<Result<void>> SimStore::open() { return world_.rows.open(); }
Task<Result<void>> SimStore::ping() {
  ++world_.pings;
  return world_.rows.ping();
}
Task<Result<TimePoint>> SimStore::now() { return disturbed(world_.rows.now()); }
Task<Result<Inserted>> SimStore::insert(Sandbox sandbox, NewEvent event,
                                        std::optional<IdempotencyKey> key) {
  return written(world_.rows.insert(std::move(sandbox), std::move(event), std::move(key)));
}
Task<Result<std::optional<Sandbox>>> SimStore::find_claimed(IdempotencyKey key) {
  return disturbed(world_.rows.find_claimed(std::move(key)));
}
Task<Result<Sandbox>> SimStore::get(SandboxId id) {
  if (world_.unreadable.contains(id)) {
    co_return fail(Code::internal, "The registry holds a row that cannot be read.");
  }
  co_return co_await disturbed(world_.rows.get(std::move(id)));
}
Task<Result<Sandbox>> SimStore::update(Sandbox sandbox, TimePoint at, NewEvent event) {
  const auto container = world_.containers.find(sandbox.id);
  const bool runs =
      container != world_.containers.end() && container->second.state == ContainerState::running;
  // Nobody can see the containers of a host that is silent; that is for the caretaker to decide.
  if (runs && event.type == "lost" && event.actor != "loop:caretaker") ++world_.wrongly_lost;
  return written(world_.rows.update(std::move(sandbox), at, std::move(event)));
}
Task<Result<void>> SimStore::note_active(SandboxId id, TimePoint at) {
  return written(world_.rows.note_active(std::move(id), at));
}

Task<Result<void>> SimStore::heartbeat(SandboxId id, TimePoint at) {
  ++world_.heartbeats_noted;
  return written(world_.rows.heartbeat(std::move(id), at));
}
Task<Result<SandboxPage>> SimStore::list(ListQuery query) {
  return disturbed(world_.rows.list(std::move(query)));
}
Task<Result<std::vector<Sandbox>>> SimStore::list_active(std::string installation) {
  throw_if("list_active");
  CO_TRY(rows, co_await disturbed(world_.rows.list_active(std::move(installation))));
  std::erase_if(rows, [this](const Sandbox& row) { return world_.unreadable.contains(row.id); });
  co_return std::move(rows);
}
Task<Result<std::vector<SandboxId>>> SimStore::list_due(std::string installation, TimePoint now,
                                                        int limit) {
  throw_if("list_due");
  co_return co_await disturbed(world_.rows.list_due(std::move(installation), now, limit));
}
Task<Result<std::vector<Sandbox>>> SimStore::list_unsaved(std::string installation,
                                                          std::string user_id, int limit) {
  return disturbed(world_.rows.list_unsaved(std::move(installation), std::move(user_id), limit));
}
Task<Result<std::int64_t>> SimStore::count_active(std::string installation) {
  return world_.rows.count_active(std::move(installation));
}
Task<Result<std::vector<SandboxEvent>>> SimStore::events(SandboxId id) {
  return disturbed(world_.rows.events(std::move(id)));
}
Task<Result<void>> SimStore::append_event(SandboxId id, TimePoint at, NewEvent event) {
  return written(world_.rows.append_event(std::move(id), at, std::move(event)));
}
Task<Result<FeedPage>> SimStore::feed(std::string after, int limit) {
  throw_if("feed");
  co_return co_await disturbed(world_.rows.feed(std::move(after), limit));
}
Task<void> SimStore::wait_for_feed(milliseconds limit) {
  return clock_.sleep(std::min(limit, kFeedPollSim));
}
Task<Result<void>> SimStore::announce(std::string installation, std::string host_name) {
  return written(world_.rows.announce(std::move(installation), std::move(host_name)));
}
Task<Result<void>> SimStore::note_clean(std::string installation, TimePoint at) {
  return written(world_.rows.note_clean(std::move(installation), at));
}
Task<Result<std::optional<Host>>> SimStore::host(std::string installation) {
  return disturbed(world_.rows.host(std::move(installation)));
}
Task<Result<bool>> SimStore::take_lease(std::string name, std::string holder,
                                        milliseconds duration) {
  return written(world_.rows.take_lease(std::move(name), std::move(holder), duration));
}
Task<Result<std::vector<Sandbox>>> SimStore::list_deserted(TimePoint due, TimePoint silent_since,
                                                           int limit) {
  return disturbed(world_.rows.list_deserted(due, silent_since, limit));
}
Task<Result<int>> SimStore::prune(TimePoint ended_before, TimePoint unclean_before, int limit) {
  ++world_.caretaker_rounds[installation_];
  return written(world_.rows.prune(ended_before, unclean_before, limit));
}

}  // namespace matrx
