#include "core/next_step.hpp"

#include "model/states.hpp"

namespace matrx {
namespace {

bool is_alive(const std::optional<Container>& container) {
  return container && (container->state == ContainerState::running ||
                       container->state == ContainerState::paused);
}

}  // namespace

Step next_step(const Sandbox& row, const std::optional<Container>& container, TimePoint now,
               bool agent_told) {
  switch (row.status) {
    case Status::creating:
    case Status::starting:
      // Whoever creates a sandbox holds its turn. Who sees this row with the turn in hand knows
      // that the creator is gone: nobody will ever learn the id, so it is not carried on.
      return Step::abandon;

    case Status::ready:
    case Status::running:
      if (!is_alive(container)) return Step::mark_lost;
      if (row.expires_at <= now) return Step::begin_expiry;
      return Step::none;

    case Status::shutting_down: {
      if (!container) return Step::finish_stop;
      const bool patient = row.stop_graceful && row.stop_deadline_at && now < *row.stop_deadline_at;
      if (patient && !agent_told && container->state == ContainerState::running) {
        return Step::tell_agent;
      }
      return Step::remove_container;
    }

    case Status::stopped:
    case Status::failed:
    case Status::expired:
      return container ? Step::remove_container : Step::none;
  }
  return Step::none;
}

}  // namespace matrx
