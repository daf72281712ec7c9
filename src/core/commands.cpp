#include "core/commands.hpp"

#include "base/log.hpp"
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

Task<Result<ExecOutcome>> Commands::exec(SandboxId id, ExecSpec spec, Actor actor) {
  CO_TRY(row, co_await store_.get(id));
  CO_CHECK(check_usable(row));
  CO_CHECK(co_await hosts_.check_here(row));
  log::info("exec", {{"sandbox_id", id.text()},
                     {"user_id", row.user_id},
                     {"run_as", spec.user},
                     {"command_bytes", spec.command.size()},
                     {"actor", actor.text}});
  if (row.status == Status::ready) {
    Registry::Change running = [](Sandbox& r, NewEvent&, TimePoint) -> Result<bool> {
      if (r.status != Status::ready) return false;  // somebody else's first command
      r.status = Status::running;
      return true;
    };
    CO_TRY(now, co_await registry_.change(id, actor, std::move(running)));
    CO_CHECK(check_usable(now));
  }
  auto outcome = co_await guest_.exec(id, spec);
  if (!outcome && outcome.error().code == Code::unavailable) {
    co_return std::unexpected(co_await explain(id, outcome.error(), std::move(actor)));
  }
  co_return outcome;
}

// The agent is not there: has the sandbox ended? The engine learns of a death a little later than a
// broken connection shows it.
Task<Error> Commands::explain(SandboxId id, Error error, Actor actor) {
  const Patience patience(clock_, kDeathDeadline);
  for (;;) {
    const auto driven = co_await driver_.drive(id, actor);
    const auto row = co_await store_.get(id);
    if (driven && row) {
      if (const auto usable = check_usable(*row); !usable) co_return usable.error();
    }
    const bool agent_lives = (co_await guest_.wait_ready(id, milliseconds(0))).has_value();
    if (agent_lives || patience.is_over()) co_return error;
    co_await clock_.sleep(kDeathPause);
  }
}

}  // namespace matrx
