#include "core/cold_loop.hpp"

#include <algorithm>
#include <optional>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kCold{"loop:cold"};

// Takes an id out of a set when its task is over.
struct Over {
  std::unordered_set<SandboxId>& ids;
  SandboxId id;
  ~Over() { ids.erase(id); }
};

}  // namespace

void ColdLoop::start() {
  if (!cold_.bind(SandboxId(), {})) return;  // sandboxes have none
  tasks_.spawn_for_ever("watch cold storage", clock_, [this] { return watch_for_ever(); });
  tasks_.spawn_for_ever("compare cold storage", clock_, [this] { return compare_for_ever(); });
}

Task<void> ColdLoop::watch_for_ever() {
  for (;;) {
    const auto broken = co_await cold_.find_broken();
    // Side by side: one that hangs holds up no other.
    for (const ColdMount& mount : broken) {
      if (mending_.insert(mount.id).second) tasks_.spawn("mend a mount", mend(mount));
    }
    co_await clock_.sleep(kColdWatchInterval);
  }
}

Task<void> ColdLoop::mend(ColdMount mount) {
  const Over over{mending_, mount.id};
  milliseconds pause = kColdWatchInterval;
  for (;;) {
    std::optional<Slots::Slot> slot(co_await slots_.take());
    const auto mended = co_await cold_.mend(mount.id);
    slot.reset();
    if (mended) co_return;
    log::error("cold storage cannot be mounted again", {{"sandbox_id", mount.id.text()},
                                                        {"user_id", mount.user_id},
                                                        {"error", mended.error().message},
                                                        {"internal", mended.error().internal}});
    co_await clock_.sleep(pause);
    pause = std::min<milliseconds>(pause * 2, kColdMendPauseMax);
  }
}

Task<void> ColdLoop::compare_for_ever() {
  milliseconds clear_at{0};  // of the clock's uptime
  for (;;) {
    if (const auto done = co_await compare_rows(); !done) {
      log::debug("cold storage waits for the registry", {{"error", done.error().message}});
    }
    if (clock_.uptime() >= clear_at) {
      const auto done = co_await clear();
      if (done) clear_at = clock_.uptime() + milliseconds(kClearDiskInterval);
    }
    co_await clock_.sleep(kColdRowsInterval);
  }
}

Task<Result<void>> ColdLoop::compare_rows() {
  CO_TRY(rows, co_await store_.list_active(settings_.installation));
  for (const Sandbox& row : rows) {
    if (!is_usable(row.status) || row.storage_state != StorageState::active) continue;
    if (attaching_.insert(row.id).second) {
      ColdMount mount{.id = row.id, .user_id = row.user_id};
      tasks_.spawn("mount for a sandbox", attach(std::move(mount)));
    }
    co_await tell(row);
  }
  co_return Result<void>();
}

// After a restart nothing is attached any more.
Task<void> ColdLoop::attach(ColdMount mount) {
  const Over over{attaching_, mount.id};
  const auto slot = co_await slots_.take();
  const auto attached = co_await cold_.attach(mount.id, mount.user_id);
  if (attached) co_return;
  log::warning("cold storage of a running sandbox cannot be had; trying again",
               {{"sandbox_id", mount.id.text()},
                {"user_id", mount.user_id},
                {"error", attached.error().message},
                {"internal", attached.error().internal}});
}

// In the row's words on its storage, where the home has no more urgent ones.
Task<void> ColdLoop::tell(const Sandbox& row) {
  const std::string words = cold_.trouble(row.id);
  const std::string& now = row.storage_detail;
  const bool is_ours = now.empty() || now.starts_with(kColdWordsBegin);
  if (words == now || !is_ours) co_return;
  const auto noted = co_await registry_.note_storage(row.id, kCold, StorageState::active, words);
  if (!noted) log::debug("row could not be told", {{"error", noted.error().message}});
}

// Mounts of sandboxes that have ended, also before a restart.
Task<Result<void>> ColdLoop::clear() {
  CO_TRY(mounts, co_await cold_.list());
  for (const ColdMount& mount : mounts) {
    const auto row = co_await store_.get(mount.id);
    if (row && is_final(row->status)) driver_.schedule(mount.id, kCold);
    if (row) continue;
    if (row.error().code == Code::internal) continue;  // nobody can read it; told elsewhere
    if (row.error().code != Code::not_found) co_return std::unexpected(row.error());
    if (clearing_.insert(mount.id).second) tasks_.spawn("clear a mount", clear_stray(mount));
  }
  co_return Result<void>();
}

// A registry in memory forgot it. As long as its container is there it may be in use.
Task<void> ColdLoop::clear_stray(ColdMount mount) {
  const Over over{clearing_, mount.id};
  const auto turn = co_await driver_.take_turn(mount.id);
  const auto row = co_await store_.get(mount.id);
  const auto container = co_await runtime_.inspect(mount.id);
  const bool is_nobodys = !row && row.error().code == Code::not_found && container && !*container;
  if (!is_nobodys || mount.user_id.empty()) co_return;
  const auto detached = co_await cold_.detach(mount.id, mount.user_id, kColdFlushLater);
  if (detached && *detached) {
    log::info("large files of a forgotten sandbox have reached the storage",
              {{"sandbox_id", mount.id.text()}, {"user_id", mount.user_id}});
  }
}

}  // namespace matrx
