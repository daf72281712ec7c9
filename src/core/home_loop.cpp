#include "core/home_loop.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kHomes{"loop:homes"};
// All rows of this host are read for each look, so it is taken a few times in an interval.
milliseconds tick_of(milliseconds interval) {
  return std::min(interval,
                  std::clamp<milliseconds>(interval / 12, kCheckpointLookMin, kCheckpointLookMax));
}

void warn(const char* what, const Error& error) {
  log::warning(what, {{"error", error.message}, {"internal", error.internal}});
}

}  // namespace

void HomeLoop::start() {
  tasks_.spawn_for_ever("save homes", clock_, [this] { return save_for_ever(); });
  tasks_.spawn_for_ever("checkpoints", clock_, [this] { return checkpoint_for_ever(); });
  tasks_.spawn_for_ever("old uploads", clock_, [this] { return drop_stale_for_ever(); });
}

Task<void> HomeLoop::save_for_ever() {
  milliseconds clear_at{0};  // of the clock's uptime
  for (;;) {
    if (const auto done = co_await schedule_unsaved(); !done) {
      warn("homes that are not saved yet cannot be listed; trying again", done.error());
    }
    if (clock_.uptime() >= clear_at) {
      const auto done = co_await clear_disk();
      if (!done) warn("homes on the disk cannot be listed; trying again", done.error());
      if (done) clear_at = clock_.uptime() + milliseconds(kClearDiskInterval);
    }
    co_await clock_.sleep(kUnsavedInterval);
  }
}

// Which of them may be tried again already is HomeSync's business.
Task<Result<void>> HomeLoop::schedule_unsaved() {
  CO_TRY(rows, co_await store_.list_unsaved(settings_.installation, "", kUnsavedAtOnceMax));
  unsaved_ = static_cast<std::int64_t>(rows.size());
  CO_TRY(now, co_await store_.now());
  for (const Sandbox& row : rows) {
    if (!is_final(row.status)) continue;
    const bool is_kept_long = row.stopped_at && now - *row.stopped_at > kUnsavedKept;
    if (is_kept_long && homes_.was_hopeless_for(row.id, kClockDoubt)) {
      tasks_.spawn("give up a home", give_up(row.id));
    } else {
      driver_.schedule(row.id, kHomes);
    }
  }
  co_return Result<void>();
}

Task<void> HomeLoop::give_up(SandboxId id) {
  const auto done = co_await homes_.give_up(std::move(id), kHomes);
  if (!done) warn("a home that can never be saved stays; trying again", done.error());
}

Task<Result<void>> HomeLoop::clear_disk() {
  CO_TRY(kept, co_await disk_.list());
  std::vector<KeptHome> without_row;
  for (const KeptHome& home : kept) {
    const auto row = co_await store_.get(home.id);
    if (row) {
      if (is_final(row->status)) driver_.schedule(home.id, kHomes);
    } else if (row.error().code == Code::not_found) {
      without_row.push_back(home);
    } else if (row.error().code == Code::internal) {
      tell_unreadable(home.id, row.error());  // its home is kept, and holds up no other
    } else {
      co_return std::unexpected(row.error());
    }
  }
  strays_.found(without_row);
  co_return Result<void>();
}

void HomeLoop::tell_unreadable(const SandboxId& id, const Error& error) {
  if (unreadable_.size() >= kReportedStrangersMax || !unreadable_.insert(id).second) return;
  log::error("the row of a home on the disk cannot be read; the home is left alone",
             {{"sandbox_id", id.text()}, {"error", error.message}, {"internal", error.internal}});
}

Task<void> HomeLoop::drop_stale_for_ever() {
  for (;;) {
    const auto done = co_await storage_.drop_stale();
    if (!done) warn("old uploads that never ended cannot be removed", done.error());
    co_await clock_.sleep(kStaleUploadInterval);
  }
}

Task<void> HomeLoop::checkpoint_for_ever() {
  for (;;) {
    co_await clock_.sleep(tick_of(settings_.home_sync_interval));
    if (const auto done = co_await schedule_checkpoints(); !done) {
      log::debug("checkpoints wait for the registry", {{"error", done.error().message}});
    }
  }
}

Task<Result<void>> HomeLoop::schedule_checkpoints() {
  const milliseconds now = clock_.uptime();
  CO_TRY(rows, co_await store_.list_active(settings_.installation));
  std::unordered_set<SandboxId> usable;
  for (const Sandbox& row : rows) {
    if (!is_usable(row.status) || row.storage_state != StorageState::active) continue;
    usable.insert(row.id);
    const auto [known, is_new] = checkpoints_.try_emplace(row.id);
    Checkpoint& checkpoint = known->second;
    // Spread over the interval, so that a restart does not scan all homes at once.
    if (is_new) {
      const auto share = static_cast<milliseconds::rep>(std::hash<SandboxId>()(row.id) % 1000);
      checkpoint.due = now + settings_.home_sync_interval * (500 + share / 2) / 1000;
      checkpoint.done_at = now;
    }
    if (checkpoint.under_way || checkpoint.due > now) continue;
    checkpoint.under_way = true;
    tasks_.spawn("checkpoint", checkpoint_one(row.id));
  }
  std::erase_if(checkpoints_, [&](const auto& entry) {
    return !entry.second.under_way && !usable.contains(entry.first);
  });
  co_return Result<void>();
}

milliseconds HomeLoop::oldest_checkpoint_age() const {
  milliseconds age{0};
  for (const auto& [id, checkpoint] : checkpoints_) {
    age = std::max(age, clock_.uptime() - checkpoint.done_at);
  }
  return age;
}

Task<void> HomeLoop::checkpoint_one(SandboxId id) {
  struct Over {
    HomeLoop& loop;
    SandboxId id;
    milliseconds pause;
    ~Over() {
      Checkpoint& checkpoint = loop.checkpoints_[id];
      checkpoint.under_way = false;
      checkpoint.due = loop.clock_.uptime() + pause;
    }
  } over{*this, id, settings_.home_sync_interval};
  const auto row = co_await store_.get(id);
  if (!row || !is_usable(row->status)) co_return;
  const milliseconds began = clock_.uptime();
  const auto done = co_await homes_.checkpoint(*row);
  if (done) checkpoints_[id].done_at = began;
  if (!done && done.error().code == Code::cancelled) {
    over.pause = std::min<milliseconds>(over.pause, kCheckpointYieldPause);
    co_return;
  }
  // The row tells why it fails and that it works again, not of each minute.
  const auto after = co_await store_.get(id);
  if (!after || !is_usable(after->status)) co_return;  // its last save tells
  const std::string words = done ? *done : done.error().message;
  const std::string& said = after->storage_detail;
  // What is said of large files is not ours to take back.
  if (words == said || (words.empty() && said.starts_with(kColdWordsBegin))) co_return;
  co_await registry_.note_storage(id, kHomes, StorageState::active, words);
}

}  // namespace matrx
