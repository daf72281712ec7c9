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
               const Tried& tried) {
  switch (row.status) {
    case Status::creating:
    case Status::starting:
      // Whoever creates a sandbox holds its turn. Who sees this row with the turn in hand knows
      // that the creator is gone: nobody will ever learn the id, so it is not carried on.
      return Step::abandon;

    case Status::ready:
    case Status::running:
      if (!container || !is_alive(container)) return Step::mark_lost;
      if (row.expires_at <= now) return Step::begin_expiry;
      if (row.paused_at && container->state == ContainerState::running) return Step::pause;
      if (!row.paused_at && container->state == ContainerState::paused) return Step::resume;
      return Step::none;

    case Status::shutting_down: {
      if (!container || !is_alive(container)) {
        // The home first: an engine that cannot remove what has ended must not keep it from being
        // saved, nor the row from coming to rest. The rounds go on with the container.
        const bool unsaved = row.storage_state == StorageState::active;
        if (unsaved && !tried.home_saved) return Step::save_home;
        return container && !tried.removal_failed ? Step::remove_container : Step::finish_stop;
      }
      const bool patient = row.stop_graceful && row.stop_deadline_at && now < *row.stop_deadline_at;
      if (patient && !tried.agent_told) {
        return container->state == ContainerState::paused ? Step::resume : Step::tell_agent;
      }
      return Step::remove_container;
    }

    case Status::stopped:
    case Status::failed:
    case Status::expired:
      if (is_alive(container)) return Step::remove_container;
      if (row.storage_state == StorageState::pending && !tried.home_saved) return Step::save_home;
      return container ? Step::remove_container : Step::none;
  }
  return Step::none;
}

}  // namespace matrx
