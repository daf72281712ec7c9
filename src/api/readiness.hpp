#pragma once
// Whether all that we depend on is there. Everybody may ask, as often as he likes, so one look
// serves all who ask meanwhile and shortly afterwards: the engine, the database and the bucket see
// no more of them than of one.

#include <optional>

#include "async/clock.hpp"
#include "async/turns.hpp"
#include "core/core.hpp"

namespace matrx::api {

class Readiness {
 public:
  struct Report {
    Result<void> runtime, store, storage;
    bool is_ready() const { return runtime && store && storage; }
  };

  Readiness(Core& core, Clock& clock) : core_(core), clock_(clock) {}

  Task<Report> look();

 private:
  bool is_newer_than(const std::optional<milliseconds>& looked, milliseconds age) const {
    return looked && clock_.uptime() - *looked < age;
  }

  Core& core_;
  Clock& clock_;
  Slots turn_{1};
  Report report_;
  std::optional<milliseconds> looked_, found_storage_;  // at what uptime
};

}  // namespace matrx::api
