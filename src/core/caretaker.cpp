#include "core/caretaker.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kCaretaker{"loop:caretaker"};

// A host that comes back finds its row final, and removes the container.
Result<bool> end_as_lost(Sandbox& row, NewEvent& event, TimePoint now) {
  if (is_final(row.status) || row.expires_at > now) return false;
  const bool was_starting = row.status == Status::creating || row.status == Status::starting;
  row.status = was_starting ? Status::failed : Status::stopped;
  row.stop_reason = StopReason::lost;
  row.status_detail = "Its host is silent, and its time was over.";
  row.stop_deadline_at.reset();
  event.type = "lost";
  event.detail = row.status_detail;
  return true;
}

}  // namespace

Task<void> Caretaker::work_for_ever() {
  for (;;) {
    co_await clock_.sleep(kCaretakerInterval);
    const auto done = co_await work();
    if (!done) {
      log::warning("caretaker's round did not finish",
                   {{"error", done.error().message}, {"internal", done.error().internal}});
    }
  }
}

Task<Result<void>> Caretaker::work() {
  if (store_.is_shared()) {
    CO_TRY(ours, co_await store_.take_lease("caretaker", settings_.process,
                                            std::chrono::milliseconds(kCaretakerLease)));
    if (!ours) co_return Result<void>();
  }
  CO_TRY(now, co_await store_.now());
  CO_CHECK(co_await end_deserted(now));
  co_return co_await prune(now);
}

Task<Result<void>> Caretaker::end_deserted(TimePoint now) {
  CO_TRY(rows, co_await store_.list_deserted(now, now - kDesertedAfter, kCaretakerBatch));
  for (const Sandbox& row : rows) {
    const auto ended = co_await registry_.change(row.id, kCaretaker, end_as_lost);
    // Its own host was faster after all; or this one row cannot be read or written.
    const bool is_its_own =
        !ended && (ended.error().code == Code::conflict || ended.error().code == Code::internal);
    if (!ended && !is_its_own) co_return std::unexpected(ended.error());
  }
  co_return Result<void>();
}

Task<Result<void>> Caretaker::prune(TimePoint now) {
  // Without retention nothing is older than the beginning of time: idempotency keys only.
  const TimePoint before = settings_.history_retention_days > 0
                               ? now - std::chrono::days(settings_.history_retention_days)
                               : TimePoint();
  std::int64_t pruned = 0;
  for (int last = kCaretakerBatch; last == kCaretakerBatch;) {
    CO_TRY(count, co_await store_.prune(before, before - kLostHostReturns, kCaretakerBatch));
    last = count;
    pruned += count;
  }
  if (pruned > 0) log::info("history forgotten", {{"sandboxes", pruned}});
  co_return Result<void>();
}

}  // namespace matrx
