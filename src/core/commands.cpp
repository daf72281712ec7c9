#include "core/commands.hpp"

#include "base/log.hpp"

namespace matrx {

Task<Result<ExecOutcome>> Commands::exec(SandboxId id, ExecSpec spec, Actor actor) {
  CO_TRY(row, co_await inside_.enter(id, Entry::work, actor));
  log::info("exec", {{"sandbox_id", id.text()},
                     {"user_id", row.user_id},
                     {"run_as", spec.user},
                     {"command_bytes", spec.command.size()},
                     {"actor", actor.text}});
  const auto hold = inside_.activity().hold(id);
  auto outcome = co_await guest_.exec(id, spec);
  if (!outcome) co_return std::unexpected(co_await inside_.explain(id, outcome.error(), actor));
  co_return outcome;
}

}  // namespace matrx
