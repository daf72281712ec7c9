#include "core/pausing.hpp"

#include "core/inside.hpp"
#include "model/states.hpp"

namespace matrx {

Task<Result<Sandbox>> Pausing::pause(SandboxId id, Actor actor) {
  return set(std::move(id), true, std::move(actor));
}

Task<Result<Sandbox>> Pausing::resume(SandboxId id, Actor actor) {
  return set(std::move(id), false, std::move(actor));
}

// The wish goes into the row; the driver does the rest, also after a crash.
Task<Result<Sandbox>> Pausing::set(SandboxId id, bool paused, Actor actor) {
  Registry::Change wish = [paused](Sandbox& row, NewEvent& event, TimePoint now) -> Result<bool> {
    CHECK_OK(check_usable(row));
    if (row.paused_at.has_value() == paused) {
      return fail(Code::conflict, "Sandbox " + row.id.text() +
                                      (paused ? " is paused already." : " is not paused."));
    }
    event.type = paused ? "paused" : "resumed";
    row.paused_at = paused ? std::optional(now) : std::nullopt;
    return true;
  };
  CO_TRY(row, co_await store_.get(id));
  CO_CHECK(co_await hosts_.check_here(row));
  CO_TRY(wished, co_await registry_.change(id, actor, std::move(wish)));
  const auto driven = co_await driver_.drive(id, actor);
  if (driven) {
    CO_TRY(now, co_await store_.get(id));
    CO_CHECK(check_usable(now));  // it may just have died
    co_return std::move(now);
  }
  Registry::Change undo = [since = wished.paused_at, paused](Sandbox& now, NewEvent& event,
                                                             TimePoint at) -> Result<bool> {
    if (now.paused_at != since || !is_usable(now.status)) return false;  // decided otherwise
    event.type = paused ? "pause_failed" : "resume_failed";
    now.paused_at = paused ? std::nullopt : std::optional(at);
    return true;
  };
  co_await registry_.change(id, std::move(actor), std::move(undo));
  co_return std::unexpected(driven.error());
}

}  // namespace matrx
