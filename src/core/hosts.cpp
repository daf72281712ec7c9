#include "core/hosts.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr auto kEndPoll = milliseconds(200);  // between two looks at a stop on another host

}  // namespace

Task<Result<std::string>> Hosts::name_of(std::string installation) {
  CO_TRY(known, co_await store_.host(installation));
  if (!known || known->name.empty()) co_return "installation " + installation;
  co_return known->name + " (installation " + installation + ")";
}

Task<Result<void>> Hosts::check_here(Sandbox row) {
  if (is_here(row)) co_return Result<void>();
  CO_TRY(name, co_await name_of(row.installation));
  co_return fail(Code::conflict, "Sandbox " + row.id.text() + " lives on host " + name +
                                     ": send this request to the orchestrator there.");
}

Task<void> Hosts::announce_for_ever() {
  for (;;) {
    const auto announced = co_await announce();
    if (!announced) {
      log::debug("could not announce this host", {{"error", announced.error().message}});
    }
    co_await clock_.sleep(kAnnounceInterval);
  }
}

Task<Result<void>> Hosts::check_alive(std::string installation) {
  CO_TRY(known, co_await store_.host(installation));
  CO_TRY(now, co_await store_.now());
  if (known && known->last_seen_at + kHostSilentAfter > now) co_return Result<void>();
  CO_TRY(name, co_await name_of(installation));
  const std::string since =
      known ? " has been silent since " + to_rfc3339(known->last_seen_at) : " was never seen";
  co_return fail(Code::unavailable, "Host " + name + since +
                                        "; the stop is written down, and is carried out when it "
                                        "comes back.");
}

Task<Result<void>> Hosts::wait_for_end(Sandbox row) {
  const Patience patience(clock_, settings_.shutdown_timeout + kForeignStopMargin);
  while (!is_final(row.status)) {
    CO_CHECK(co_await check_alive(row.installation));
    if (patience.is_over()) {
      CO_TRY(name, co_await name_of(row.installation));
      co_return fail(Code::unavailable, "Host " + name +
                                            " has not carried out the stop yet; it is written "
                                            "down, and that host goes on trying.");
    }
    co_await clock_.sleep(kEndPoll);
    CO_TRY(now, co_await store_.get(row.id));
    row = std::move(now);
  }
  co_return Result<void>();
}

}  // namespace matrx
