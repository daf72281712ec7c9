#include "core/inside.hpp"

#include "base/limits.hpp"
#include "model/states.hpp"

namespace matrx {

Result<void> check_usable(const Sandbox& row) {
  if (is_usable(row.status)) return {};
  std::string words = "Sandbox " + row.id.text() + " is " + std::string(status_name(row.status));
  if (row.stop_reason) {
    words += " (stop reason: " + std::string(stop_reason_name(*row.stop_reason)) + ")";
  }
  words += ".";
  if (!row.status_detail.empty()) words += " " + row.status_detail;
  return fail(is_final(row.status) ? Code::gone : Code::conflict, std::move(words));
}

// Whoever looks for the idle decides by what is known when the row is changed. So who comes in says
// so before reading the row: either that is seen, or the decision is older, and is waited for.
Task<Result<Sandbox>> Inside::enter(SandboxId id, Entry entry, Actor actor) {
  std::optional<Activity::Knock> knock;
  if (entry == Entry::work) {
    knock.emplace(activity_, id);
    const bool decided =
        !activity_.is_ending(id) ||
        co_await with_deadline(clock_, kIdleDecisionDeadline, activity_.wait_decided(id));
    if (!decided) {
      co_return fail(Code::unavailable, "Sandbox " + id.text() +
                                            " may be ending, because nothing happened in it; the "
                                            "registry does not answer.");
    }
  }
  CO_TRY(row, co_await store_.get(id));
  CO_CHECK(check_usable(row));
  CO_CHECK(co_await hosts_.check_here(row));
  if (row.paused_at) {
    co_return fail(Code::conflict, "Sandbox " + id.text() + " is paused; resume it first.");
  }
  if (entry == Entry::look) co_return std::move(row);
  activity_.touch(id);
  if (row.status != Status::ready) co_return std::move(row);
  Registry::Change running = [](Sandbox& r, NewEvent&, TimePoint) -> Result<bool> {
    if (r.status != Status::ready) return false;  // somebody else was first
    r.status = Status::running;
    return true;
  };
  CO_TRY(now, co_await registry_.change(id, std::move(actor), std::move(running)));
  CO_CHECK(check_usable(now));
  co_return std::move(now);
}

// The engine learns of a death a little later than a broken connection shows it.
Task<Error> Inside::explain(SandboxId id, Error error, Actor actor) {
  if (error.code == Code::timeout) {
    // One that stands still does not answer.
    const auto row = co_await store_.get(id);
    if (!row || !row->paused_at) co_return error;
    co_return Error{Code::conflict, "Sandbox " + id.text() + " was paused meanwhile.", {}};
  }
  if (error.code != Code::unavailable) co_return error;
  const Patience patience(clock_, kDeathDeadline);
  for (;;) {
    const auto driven = co_await driver_.drive(id, actor);
    const auto row = co_await store_.get(id);
    if (driven && row) {
      if (const auto usable = check_usable(*row); !usable) co_return usable.error();
      if (row->paused_at) {
        co_return Error{Code::conflict, "Sandbox " + id.text() + " was paused meanwhile.", {}};
      }
    }
    const bool agent_lives = (co_await guest_.wait_ready(id, milliseconds(0))).has_value();
    if (agent_lives || patience.is_over()) co_return error;
    co_await clock_.sleep(kDeathPause);
  }
}

}  // namespace matrx
