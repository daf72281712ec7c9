#pragma once
// The way into a sandbox: what is asked of its inside passes here. May it be used now, is it on
// this host, and if its agent does not answer: has it ended?

#include <utility>

#include "core/activity.hpp"
#include "core/driver.hpp"
#include "core/hosts.hpp"
#include "ports/machine.hpp"

namespace matrx {

// Whoever only looks leaves no trace: no activity, and a ready sandbox stays ready.
enum class Entry { look, work };

class Inside {
 public:
  Inside(Registry& registry, Driver& driver, Hosts& hosts, Store& store, Guest& guest,
         Machine& machine, Clock& clock)
      : registry_(registry),
        driver_(driver),
        hosts_(hosts),
        store_(store),
        guest_(guest),
        machine_(machine),
        clock_(clock),
        activity_(clock) {}

  // The row, where its inside can be used now. conflict: not ready yet, paused, shutting down, or
  // on another host. gone: it has ended; the message names status and stop reason.
  Task<Result<Sandbox>> enter(SandboxId id, Entry entry, Actor actor);

  // enter(), then the method of the machine on that sandbox. gone: it ended meanwhile.
  //   co_await inside.call(id, Entry::work, actor, &Machine::stat_file, place);
  template <class T, class... Wanted, class... Given>
  Task<Result<T>> call(SandboxId id, Entry entry, Actor actor,
                       Task<Result<T>> (Machine::*method)(SandboxId, Wanted...), Given... given) {
    CO_CHECK(co_await enter(id, entry, actor));
    const auto hold = entry == Entry::work ? std::optional(activity_.hold(id)) : std::nullopt;
    auto result = co_await (machine_.*method)(id, static_cast<Wanted>(given)...);
    if (!result) co_return std::unexpected(co_await explain(id, result.error(), actor));
    co_return result;
  }

  // The same error, or that the sandbox has ended, where that is why its inside does not answer.
  Task<Error> explain(SandboxId id, Error error, Actor actor);

  Activity& activity() { return activity_; }

 private:
  Registry& registry_;
  Driver& driver_;
  Hosts& hosts_;
  Store& store_;
  Guest& guest_;
  Machine& machine_;
  Clock& clock_;
  Activity activity_;
};

// ok where it is ready or running; otherwise conflict or gone, with the words for the caller.
Result<void> check_usable(const Sandbox& row);

}  // namespace matrx
