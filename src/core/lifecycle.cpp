#include "core/lifecycle.hpp"

#include <algorithm>

#include "async/race.hpp"
#include "base/log.hpp"
#include "core/inside.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr auto kMadePoll = milliseconds(50);  // between two looks at another request's create

constexpr auto kEndedPoll = milliseconds(500);  // between two looks whether it is still wanted

// Set by us; a request's env cannot change them.
bool is_reserved_name(std::string_view name) {
  return name == "SANDBOX_ID" || name == "USER_ID" || name == "HOT_PATH" || name == "COLD_PATH" ||
         name == "ORCHESTRATOR_URL";
}

// The engine is there, but not what it needs, or its container vanished: for who asked for a
// sandbox that is "not now", and no sandbox that cannot be found.
std::unexpected<Error> not_now(Error error) {
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return std::unexpected(std::move(error));
}

}  // namespace

Task<Result<Sandbox>> Lifecycle::create(CreateSpec spec, Actor actor) {
  if (spec.ttl_seconds && *spec.ttl_seconds > settings_.ttl_seconds_max) {
    co_return fail(Code::invalid,
                   "ttl_seconds may be at most " + std::to_string(settings_.ttl_seconds_max) + ".");
  }
  // No row for what cannot even begin.
  CO_CHECK(co_await runtime_.ping());
  if (auto room = runtime_.check_room(); !room) {
    // Who repeats a create that came through gets its sandbox, however little room there is now.
    if (!spec.idempotency_key) co_return std::unexpected(room.error());
    CO_TRY(made, co_await store_.find_claimed(*spec.idempotency_key));
    if (!made) co_return std::unexpected(room.error());
  }
  Sandbox row = new_row(spec);
  const SandboxId id = row.id;
  std::optional<Turns::Turn> turn(co_await driver_.take_turn(id));
  CO_TRY(inserted, co_await registry_.insert(std::move(row), actor, spec.idempotency_key));
  if (!inserted.is_new) {
    turn.reset();
    co_return co_await wait_made(std::move(inserted.row));
  }
  ContainerSpec container = container_spec(inserted.row, spec);
  auto ready = co_await bring_up(std::move(inserted.row), std::move(container), actor);
  if (!ready) co_await give_up(id, ready.error(), actor);
  co_return ready;
}

// Another request with the same key is making it, or has made it.
Task<Result<Sandbox>> Lifecycle::wait_made(Sandbox row) {
  const Patience patience(clock_, kDockerCreateDeadline + kGuestReadyDeadline);
  while (row.status == Status::creating || row.status == Status::starting) {
    if (patience.is_over()) {
      co_return fail(Code::timeout, "Sandbox " + row.id.text() + " is still being created.");
    }
    co_await clock_.sleep(kMadePoll);
    CO_TRY(now, co_await store_.get(row.id));
    row = std::move(now);
  }
  if (row.status == Status::failed) co_return fail(Code::unavailable, row.status_detail);
  co_return row;
}

Task<Result<Sandbox>> Lifecycle::extend(SandboxId id, seconds ttl, Actor actor) {
  if (ttl.count() > settings_.ttl_seconds_max) {
    co_return fail(Code::invalid,
                   "ttl_seconds may be at most " + std::to_string(settings_.ttl_seconds_max) + ".");
  }
  auto change = [ttl](Sandbox& row, NewEvent& event, TimePoint now) -> Result<bool> {
    CHECK_OK(check_usable(row));
    if (row.expires_at <= now) {
      return fail(Code::gone, "The time of sandbox " + row.id.text() + " is over.");
    }
    if (now + ttl <= row.expires_at) return false;
    row.expires_at = now + ttl;
    event.type = "extended";
    event.detail = "expires_at " + to_rfc3339(row.expires_at);
    return true;
  };
  // One after the other: each reads, decides and swaps, and of many at once most would lose.
  const auto turn = co_await with_deadline(clock_, kExtendWait, extend_turns_.take(id.text()));
  if (!turn) {
    co_return fail(Code::unavailable,
                   "Sandbox " + id.text() + " is being extended by many others; try again later.");
  }
  co_return co_await registry_.change(id, std::move(actor), std::move(change));
}

Sandbox Lifecycle::new_row(const CreateSpec& spec) {
  Sandbox row;
  row.id = SandboxId::make(random_);
  row.user_id = spec.user_id;
  row.image = settings_.image;
  row.template_id = spec.template_id;
  row.name = spec.name;
  row.labels = spec.labels;
  row.config_json = spec.config_json;
  row.resources = settings_.resources;
  // What nobody asked for is no reason to fail on a small host.
  if (const auto cpus = runtime_.cpus()) row.resources.cpu = std::min(row.resources.cpu, *cpus);
  if (spec.cpu) row.resources.cpu = *spec.cpu;
  if (spec.memory_bytes) row.resources.memory_bytes = *spec.memory_bytes;
  row.ttl_seconds = spec.ttl_seconds.value_or(settings_.ttl_seconds);
  row.idle_timeout_seconds = spec.idle_timeout_seconds;
  row.hot_path = settings_.hot_path;
  row.cold_path = settings_.cold_path;
  row.installation = settings_.installation;
  return row;
}

ContainerSpec Lifecycle::container_spec(const Sandbox& row, const CreateSpec& spec) const {
  ContainerSpec container{.id = row.id,
                          .user_id = row.user_id,
                          .image = row.image,
                          .env = {},
                          .resources = row.resources,
                          .home_folder = disk_.folder(row.id),
                          .hot_path = row.hot_path,
                          .cold_path = row.cold_path,
                          .egress = spec.egress,
                          .egress_list = spec.egress_list};
  if (auto bind = cold_.bind(row.id, row.user_id)) {
    container.cold_folder = std::move(bind->source);
    container.cold_is_parent = bind->is_parent;
  }
  for (const auto& pair : spec.env) {
    if (!is_reserved_name(pair.first)) container.env.push_back(pair);
  }
  container.env.emplace_back("SANDBOX_ID", row.id.text());
  container.env.emplace_back("USER_ID", row.user_id);
  container.env.emplace_back("HOT_PATH", row.hot_path);
  container.env.emplace_back("COLD_PATH", row.cold_path);
  container.env.emplace_back("ORCHESTRATOR_URL",
                             "http://127.0.0.1:" + std::to_string(settings_.relay_port));
  return container;
}

Task<Result<Sandbox>> Lifecycle::bring_up(Sandbox row, ContainerSpec spec, Actor actor) {
  const SandboxId id = row.id;
  const Patience patience(clock_, kCreateDeadline);
  auto home = co_await unless_ended(id, patience, homes_.bring_down(row));
  if (home) home = co_await unless_ended(id, patience, cold_.attach(id, row.user_id));
  if (!home) {
    // For the caller a home that cannot be had is "not now", whatever the storage calls it.
    Error error = home.error();
    const bool is_said = error.code == Code::too_large || error.code == Code::conflict ||
                         error.code == Code::home_not_saved;
    if (!is_said) error.code = Code::unavailable;
    co_return std::unexpected(std::move(error));
  }
  std::optional<Slots::Slot> slot;
  CO_CHECK(co_await unless_ended(id, patience, take_slot(slot)));
  auto created = co_await runtime_.create(spec);
  if (!created) co_return not_now(created.error());
  Registry::Change starting = [container_id = *created](Sandbox& r, NewEvent&,
                                                        TimePoint) -> Result<bool> {
    r.status = Status::starting;
    r.container_id = container_id;
    return true;
  };
  CO_TRY(started_row, co_await registry_.change_once(std::move(row), actor, std::move(starting)));
  if (auto started = co_await runtime_.start(id); !started) co_return not_now(started.error());
  CO_CHECK(co_await unless_ended(id, patience, wait_ready(id)));
  slot.reset();
  Registry::Change ready = [](Sandbox& r, NewEvent&, TimePoint now) -> Result<bool> {
    r.status = Status::ready;
    // Its time is for its user: what the making took, on a slow day longer than all of it, is not
    // counted.
    r.expires_at = now + seconds(r.ttl_seconds);
    r.storage_state = StorageState::active;  // from now on somebody may put work into the home
    return true;
  };
  co_return co_await registry_.change_once(std::move(started_row), actor, std::move(ready));
}

// Waits for the agent, but not for one that can no longer come.
Task<Result<void>> Lifecycle::wait_ready(SandboxId id) {
  const Patience patience(clock_, kGuestReadyDeadline);
  for (;;) {
    const auto ready = co_await guest_.wait_ready(id, kReadySlice);
    if (ready || patience.is_over()) co_return ready;
    CO_TRY(container, co_await runtime_.inspect(id));
    if (!container || container->state == ContainerState::ended) {
      co_return fail(Code::unavailable, "The container ended before it was ready.",
                     container ? container->detail : "gone");
    }
  }
}

Task<Result<void>> Lifecycle::take_slot(std::optional<Slots::Slot>& slot) {
  auto taken = co_await with_deadline(clock_, kCreateWait, slots_.take());
  if (!taken) {
    co_return fail(Code::unavailable,
                   "Many sandboxes are being created on this host; try again later.");
  }
  slot.emplace(*std::move(taken));
  co_return Result<void>();
}

template <class T>
Task<Result<T>> Lifecycle::unless_ended(SandboxId id, const Patience& patience,
                                        Task<Result<T>> task) {
  auto done = co_await unless_first(wait_until_ended(id, patience), std::move(task));
  if (done) co_return *std::move(done);
  if (patience.is_over()) {
    co_return fail(Code::unavailable, "The sandbox could not be created in " +
                                          std::to_string(kCreateDeadline.count()) +
                                          " minutes; try again later.");
  }
  co_return fail(Code::conflict, "The sandbox was ended while it was being created.");
}

Task<void> Lifecycle::wait_until_ended(SandboxId id, const Patience& patience) {
  while (!patience.is_over()) {
    co_await clock_.sleep(kEndedPoll);
    const auto row = co_await store_.get(id);
    if (row && row->status != Status::creating && row->status != Status::starting) co_return;
  }
}

Task<void> Lifecycle::give_up(SandboxId id, Error error, Actor actor) {
  Registry::Change change = [&error](Sandbox& row, NewEvent& event, TimePoint) -> Result<bool> {
    // Whoever asked for its end meanwhile waits for our turn, and finishes it.
    if (is_final(row.status) || row.status == Status::shutting_down) return false;
    row.status = Status::failed;
    row.stop_reason = StopReason::error;
    row.status_detail = error.message;
    event.detail = error.message;
    return true;
  };
  const auto failed = co_await registry_.change(id, actor, std::move(change));
  log::error("sandbox could not be created", {{"sandbox_id", id.text()},
                                              {"error", error.message},
                                              {"internal", error.internal},
                                              {"recorded", failed.has_value()}});
  const auto removed = co_await runtime_.remove(id);
  if (!removed) {
    log::warning("container left for the reconciliation",
                 {{"sandbox_id", id.text()}, {"error", removed.error().message}});
  }
  guest_.forget(id);
  if (removed && failed && !is_unsaved(*failed)) co_await homes_.forget(id);
}

Task<Result<void>> Lifecycle::destroy(SandboxId id, bool graceful, StopReason reason, Actor actor) {
  Driver::Stop stop{.graceful = graceful, .reason = reason};
  auto begun = co_await driver_.begin_stop(id, stop, actor);
  if (!begun && begun.error().code == Code::exhausted) {
    co_return co_await driver_.end_unwritten(id, std::move(stop));
  }
  CO_TRY(row, std::move(begun));
  if (!hosts_.is_here(row)) co_return co_await hosts_.wait_for_end(std::move(row));
  // One that failed or was lost is final before its container has been removed: so always look.
  // A graceful stop may be waiting for the agent with the turn in its hand: end what it waits for.
  // Where the engine does not let go, the driver finds out what can be done all the same.
  if (!graceful && !is_final(row.status)) (void)co_await runtime_.remove(id);
  co_return co_await driver_.drive(id, std::move(actor));
}

}  // namespace matrx
