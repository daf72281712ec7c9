#include "core/loops.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kReconcile{"loop:reconcile"};
const Actor kExpiry{"loop:expiry"};
const Actor kEvents{"loop:events"};
const Actor kFeed{"loop:feed"};

}  // namespace

void Loops::start() {
  tasks_.spawn_for_ever("reconcile", clock_, [this] { return reconcile_for_ever(); });
  tasks_.spawn_for_ever("expiry", clock_, [this] { return expire_for_ever(); });
  tasks_.spawn_for_ever("watch", clock_, [this] { return watch_for_ever(); });
  tasks_.spawn_for_ever("feed", clock_, [this, is_first = true]() mutable {
    // Whoever begins anew has missed what came meanwhile.
    if (!std::exchange(is_first, false)) compare_instead_of_feed();
    return feed_.watch_for_ever([this](const FeedItem& item) { notice(item); },
                                [this] { compare_instead_of_feed(); });
  });
  tasks_.spawn_for_ever("announce", clock_, [this] { return hosts_.announce_for_ever(); });
  tasks_.spawn_for_ever("caretaker", clock_, [this] { return caretaker_.work_for_ever(); });
}

void Loops::compare_instead_of_feed() {
  log::warning("the feed of events had a gap; comparing everything instead");
  tasks_.spawn("reconcile", reconcile_and_log());
}

Task<void> Loops::reconcile_for_ever() {
  for (;;) {
    co_await clock_.sleep(settings_.reconcile_interval);
    co_await reconcile_and_log();
  }
}

Task<void> Loops::reconcile_and_log() {
  const milliseconds began = clock_.uptime();
  const auto done = co_await reconcile();
  log::debug("reconciled", {{"active", registry_.active()},
                            {"strangers", strangers_.size()},
                            {"duration_ms", (clock_.uptime() - began).count()}});
  if (!done) {
    log::warning("reconciliation did not finish",
                 {{"error", done.error().message}, {"internal", done.error().internal}});
  }
}

Task<Result<void>> Loops::reconcile() {
  if (std::exchange(reconciling_, true)) co_return Result<void>();
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } const done{reconciling_};

  if (!prepared_) {
    CO_CHECK(co_await runtime_.prepare());
    prepared_ = true;
  }
  // A wall that cannot be put up again is told by the runtime, and keeps nobody from looking on.
  (void)co_await runtime_.look_after();
  CO_TRY(began, co_await store_.now());
  // Containers first: a row is written before its container exists, so a container that is in
  // this list and belongs to us has a row by the time the rows are read.
  CO_TRY(containers, co_await runtime_.list());
  registry_.census().begin_count();
  CO_TRY(rows, co_await store_.list_active(settings_.installation));
  registry_.census().finish_count(rows);
  std::unordered_map<SandboxId, const Container*> by_id;
  for (const Container& container : containers) {
    if (container.sandbox_id) by_id.emplace(*container.sandbox_id, &container);
  }
  std::unordered_set<SandboxId> active;
  for (const Sandbox& row : rows) {
    active.insert(row.id);
    const auto found = by_id.find(row.id);
    const auto container =
        found == by_id.end() ? std::nullopt : std::optional<Container>(*found->second);
    // Only a suspicion: the two lists are of different moments. The driver looks again.
    const Step step = next_step(row, container, began, {});
    if (step != Step::none) {
      driver_.schedule(row.id, kReconcile);
    } else if (is_usable(row.status)) {
      signals_.listen(row.id);
    }
  }
  TimePoint clean_at = began;
  std::unordered_set<std::string> strangers;
  std::optional<Error> unreadable;
  for (const Container& container : containers) {
    if (container.sandbox_id && active.contains(*container.sandbox_id)) continue;
    const auto left_since = co_await look_at_unlisted(container, strangers);
    if (left_since) {
      if (const std::optional<TimePoint>& since = *left_since)
        clean_at = std::min(clean_at, *since);
      continue;
    }
    // A row that nobody can read is no reason to leave the others alone.
    if (left_since.error().code != Code::internal) co_return std::unexpected(left_since.error());
    unreadable = left_since.error();
  }
  strangers_ = std::move(strangers);
  // An end is dated a moment before it is written down: what ended just now may have looked alive.
  // Of a container whose row cannot be read nobody knows since when it should be gone.
  const TimePoint clean = clean_at - kEndIsWrittenWithin;
  if (!unreadable) CO_CHECK(co_await store_.note_clean(settings_.installation, clean));
  if (unreadable) co_return std::unexpected(*unreadable);
  co_return Result<void>();
}

// A container whose row is final must go: since when. One without a row is not ours to touch.
Task<Result<std::optional<TimePoint>>> Loops::look_at_unlisted(
    const Container& container, std::unordered_set<std::string>& now) {
  if (container.sandbox_id) {
    const auto row = co_await store_.get(*container.sandbox_id);
    if (row) {
      driver_.schedule(*container.sandbox_id, kReconcile);
      co_return row->stopped_at;
    }
    if (row.error().code != Code::not_found) co_return std::unexpected(row.error());
  }
  if (now.size() < kReportedStrangersMax) now.insert(container.container_id);
  if (!strangers_.contains(container.container_id)) {
    log::warning("container with our labels is not in the registry; left alone",
                 {{"container_id", container.container_id},
                  {"sandbox_id", container.sandbox_id ? container.sandbox_id->text() : ""}});
  }
  co_return std::optional<TimePoint>();
}

Task<void> Loops::expire_for_ever() {
  bool readable = true;
  for (;;) {
    co_await clock_.sleep(kExpiryInterval);
    const auto due = co_await list_due();
    if (due) {
      for (const SandboxId& id : *due) driver_.schedule(id, kExpiry);
    } else if (readable) {
      log::warning("expiry cannot read the registry; trying again",
                   {{"error", due.error().message}, {"internal", due.error().internal}});
    }
    readable = due.has_value();
  }
}

Task<Result<std::vector<SandboxId>>> Loops::list_due() {
  CO_TRY(now, co_await store_.now());
  co_return co_await store_.list_due(settings_.installation, now, kDueAtOnceMax);
}

// Another orchestrator may have written down that one of ours is to end.
void Loops::notice(const FeedItem& item) {
  const bool ours = item.installation == settings_.installation;
  const bool ends = item.event.status == status_name(Status::shutting_down);
  // Also where somebody is at work on it: what that one has read may be older than this.
  if (!ours || !ends) return;
  driver_.schedule(item.event.sandbox_id, kFeed);
}

Task<void> Loops::watch_for_ever() {
  milliseconds pause = kReconnectDelayMin;
  bool reachable = true;
  for (;;) {
    auto connected = [&] {
      if (!reachable) log::info("container engine is back");
      reachable = true;
      pause = kReconnectDelayMin;
      tasks_.spawn("reconcile", reconcile_and_log());  // for what happened while we were deaf
    };
    auto on_event = [this](ContainerEvent event) { driver_.schedule(event.sandbox_id, kEvents); };
    const auto broken = co_await runtime_.watch(connected, on_event);
    if (!broken && reachable && broken.error().code != Code::cancelled) {
      reachable = false;
      log::warning("container engine cannot be reached; trying again",
                   {{"error", broken.error().message}, {"internal", broken.error().internal}});
    }
    co_await clock_.sleep(pause);
    pause = std::min<milliseconds>(pause * 2, kReconnectDelayMax);
  }
}

}  // namespace matrx
