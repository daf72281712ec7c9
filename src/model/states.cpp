#include "model/states.hpp"

namespace matrx {

bool is_final(Status status) {
  return status == Status::stopped || status == Status::failed || status == Status::expired;
}

bool is_usable(Status status) { return status == Status::ready || status == Status::running; }

bool is_unsaved(const Sandbox& row) {
  return row.storage_state == StorageState::pending ||
         (row.storage_state == StorageState::active && row.status == Status::shutting_down);
}

bool can_follow(Status from, Status to) {
  if (is_final(from)) return false;
  if (from == to) return true;
  switch (from) {
    case Status::creating:
      return to == Status::starting || to == Status::failed || to == Status::shutting_down;
    case Status::starting:
      return to == Status::ready || to == Status::failed || to == Status::shutting_down;
    case Status::ready:
      return to == Status::running || to == Status::stopped || to == Status::shutting_down;
    case Status::running:
      return to == Status::stopped || to == Status::shutting_down;
    case Status::shutting_down:
      return to == Status::stopped || to == Status::expired;
    default:
      return false;
  }
}

}  // namespace matrx
