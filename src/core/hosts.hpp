#pragma once
// The other orchestrators on the same store: who has what, and who is still there.

#include <string>

#include "async/clock.hpp"
#include "core/settings.hpp"
#include "ports/store.hpp"

namespace matrx {

class Hosts {
 public:
  Hosts(const CoreSettings& settings, Store& store, Clock& clock)
      : settings_(settings), store_(store), clock_(clock) {}

  bool is_here(const Sandbox& row) const { return row.installation == settings_.installation; }

  // ok: its container is on this host. conflict: it is not; the message names the host that has it.
  Task<Result<void>> check_here(Sandbox row);

  // Says to the others, again and again, that we are alive.
  Task<void> announce_for_ever();
  Task<Result<void>> announce() {
    return store_.announce(settings_.installation, settings_.host_name);
  }

  // After the intent to stop it was written: waits for its own host to carry that out.
  // unavailable: that host is silent, or does not get it done in time; the intent stays.
  Task<Result<void>> wait_for_end(Sandbox row);

 private:
  Task<Result<std::string>> name_of(std::string installation);
  Task<Result<void>> check_alive(std::string installation);

  const CoreSettings& settings_;
  Store& store_;
  Clock& clock_;
};

}  // namespace matrx
