#include "core/core.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

// Two processes with one installation, as copies of one disk have it, must not share a lease.
CoreSettings with_process(CoreSettings settings, Random& random) {
  if (settings.process.empty()) settings.process = settings.installation + "/" + random.hex(4);
  return settings;
}

constexpr const char* kStarting = "The service is starting.";
constexpr auto kOpenPauseMin = milliseconds(500);  // between two tries; doubles
constexpr auto kOpenPauseMax = milliseconds(15'000);

// What has to be open, in this order.
enum OpenPart { open_store, open_storage, open_homes, open_cold, open_announced, open_counted };
constexpr int kOpenParts = open_counted + 1;

// Does it pass by itself? Of the host's own folders only a full disk does.
bool may_pass(int part, Code code) {
  if (code == Code::exhausted) return true;
  if (part == open_homes || part == open_cold) return false;
  return code == Code::unavailable || code == Code::timeout;
}

}  // namespace

Core::Core(Executor executor, CoreSettings settings, Store& store, Runtime& runtime, Guest& guest,
           Machine& machine, Storage& storage, Homes& homes, ColdMounts& cold, Disk& disk,
           Clock& clock, Random& random)
    : executor_(executor),
      settings_(with_process(std::move(settings), random)),
      store_(store),
      runtime_(runtime),
      machine_(machine),
      random_(random),
      storage_(storage),
      disk_(homes),
      cold_(cold),
      clock_(clock),
      registry_(store, settings_.installation, settings_.limits),
      hosts_(settings_, store, clock),
      home_sync_(executor, settings_, registry_, store, storage, homes, disk, clock),
      user_storage_(storage, home_sync_, cold),
      driver_(executor, settings_, registry_, store, runtime, guest, home_sync_, cold),
      lifecycle_(settings_, registry_, driver_, hosts_, home_sync_, homes, cold, store, runtime,
                 guest, clock, random),
      inside_(registry_, driver_, hosts_, store, guest, machine, clock),
      commands_(inside_, guest),
      pausing_(registry_, driver_, hosts_, store),
      signals_(executor, driver_, store, guest, clock),
      feed_(store, clock),
      caretaker_(settings_, registry_, store, clock),
      stray_homes_(executor, settings_, driver_, home_sync_, store, runtime, clock),
      home_loop_(executor, settings_, registry_, driver_, home_sync_, stray_homes_, homes, storage,
                 store, clock),
      cold_loop_(executor, settings_, registry_, driver_, cold, store, runtime, clock),
      monitor_(executor, settings_, driver_, inside_, machine, store, clock),
      disk_watch_(executor, settings_, driver_, disk, store, runtime, clock),
      loops_(executor, settings_, registry_, driver_, signals_, hosts_, feed_, caretaker_, store,
             runtime, clock) {}

Task<Result<void>> Core::open() {
  opening_ = Error{Code::unavailable, kStarting, {}};
  milliseconds pause = kOpenPauseMin;
  for (;;) {
    auto opened = co_await open_rest();
    if (opened && waits_for_start_) opening_ = Error{Code::unavailable, kStarting, {}};
    if (opened && !waits_for_start_) opening_.reset();
    if (opened || !may_pass(parts_open_, opened.error().code)) co_return opened;
    opening_ = opened.error();
    log::warning("the start waits for what it needs", {{"error", opening_->message},
                                                       {"internal", opening_->internal},
                                                       {"next_try_ms", pause.count()}});
    if (opening_->code == Code::exhausted) co_await disk_watch_.release_reserve();
    co_await clock_.sleep(pause);
    pause = std::min<milliseconds>(pause * 2, kOpenPauseMax);
  }
}

// What is open already stays so.
Task<Result<void>> Core::open_rest() {
  for (; parts_open_ < kOpenParts; ++parts_open_) CO_CHECK(co_await open_part(parts_open_));
  co_return Result<void>();
}

Task<Result<void>> Core::open_part(int part) {
  switch (part) {
    case open_store:
      return store_.open();
    case open_storage:
      return storage_.open();
    case open_homes:
      return disk_.open();
    case open_cold:
      return cold_.open();
    case open_announced:
      return hosts_.announce();
    default:
      return registry_.recount();
  }
}

// While it is not open, the part that is waited for says why.
Task<Result<void>> Core::check_store() {
  if (opening_ && parts_open_ == open_store) co_return std::unexpected(*opening_);
  co_return co_await store_.ping();
}

Task<Result<void>> Core::check_storage() {
  if (opening_ && parts_open_ != open_store) co_return std::unexpected(*opening_);
  co_return co_await storage_.ping();
}

Task<Result<void>> Core::reconcile() {
  // Trouble with the one is no reason to leave the other undone.
  const auto cleared = co_await home_loop_.clear_disk();
  CO_CHECK(co_await loops_.reconcile());
  co_return cleared;
}

void Core::start() {
  opening_.reset();
  loops_.start();
  home_loop_.start();
  monitor_.start();
  cold_loop_.start();
  disk_watch_.start();
}

void Core::cancel() {
  disk_watch_.cancel();
  loops_.cancel();
  home_loop_.cancel();
  monitor_.cancel();
  stray_homes_.cancel();
  cold_loop_.cancel();
  signals_.cancel();
  driver_.cancel();
  home_sync_.cancel();
}

Task<void> Core::join() {
  co_await disk_watch_.join();
  co_await loops_.join();
  co_await home_loop_.join();
  co_await monitor_.join();
  co_await stray_homes_.join();
  co_await cold_loop_.join();
  co_await signals_.join();
  co_await driver_.join();
  co_await home_sync_.join();
}

Task<Result<void>> Core::admit(std::optional<IdempotencyKey> key) {
  const auto room = disk_watch_.admit();
  if (room || !key) co_return room;
  // Who repeats a create that came through gets its sandbox, however little room there is now.
  CO_TRY(made, co_await store_.find_claimed(*std::move(key)));
  if (made) co_return Result<void>();
  co_return room;
}

Task<Result<Sandbox>> Core::create(CreateSpec spec, Actor actor) {
  CO_CHECK(co_await admit(spec.idempotency_key));
  auto created = co_await lifecycle_.create(std::move(spec), std::move(actor));
  if (created && hosts_.is_here(*created) && is_usable(created->status)) {
    signals_.listen(created->id);
  }
  co_return created;
}

Task<Result<void>> Core::destroy(SandboxId id, bool graceful, StopReason reason, Actor actor) {
  return lifecycle_.destroy(id, graceful, reason, std::move(actor));
}

Task<Result<std::string>> Core::logs(SandboxId id, int lines) {
  CO_TRY(row, co_await store_.get(id));
  CO_CHECK(co_await hosts_.check_here(row));
  auto text = co_await runtime_.logs(id, lines, kLogsBytesMax);
  if (text || text.error().code != Code::not_found) co_return text;
  CO_CHECK(check_usable(row));
  co_return fail(Code::conflict, "The sandbox has no container yet.");
}

Task<Result<std::vector<SandboxEvent>>> Core::events(SandboxId id) {
  CO_TRY(history, co_await store_.events(id));
  if (history.empty()) CO_CHECK(co_await store_.get(id));  // unknown, or only without history?
  co_return std::move(history);
}

}  // namespace matrx
