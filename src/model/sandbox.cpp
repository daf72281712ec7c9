#include "model/sandbox.hpp"

#include <array>

namespace matrx {
namespace {

template <class E>
struct Name {
  E value;
  std::string_view text;
};

constexpr std::array<Name<Status>, 8> kStatuses = {{
    {Status::creating, "creating"},
    {Status::starting, "starting"},
    {Status::ready, "ready"},
    {Status::running, "running"},
    {Status::shutting_down, "shutting_down"},
    {Status::stopped, "stopped"},
    {Status::failed, "failed"},
    {Status::expired, "expired"},
}};

constexpr std::array<Name<StopReason>, 6> kStopReasons = {{
    {StopReason::user_requested, "user_requested"},
    {StopReason::expired, "expired"},
    {StopReason::error, "error"},
    {StopReason::graceful_shutdown, "graceful_shutdown"},
    {StopReason::admin, "admin"},
    {StopReason::lost, "lost"},
}};

constexpr std::array<Name<StorageState>, 4> kStorageStates = {{
    {StorageState::none, "none"},
    {StorageState::active, "active"},
    {StorageState::pending, "pending"},
    {StorageState::saved, "saved"},
}};

template <class Table, class E>
std::string_view name_in(const Table& table, E value) {
  for (const auto& row : table) {
    if (row.value == value) return row.text;
  }
  return "unknown";
}

template <class E, std::size_t N>
std::optional<E> value_in(const std::array<Name<E>, N>& table, std::string_view text) {
  for (const auto& row : table) {
    if (row.text == text) return row.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view status_name(Status status) { return name_in(kStatuses, status); }
std::optional<Status> parse_status(std::string_view name) { return value_in(kStatuses, name); }
std::string_view storage_state_name(StorageState state) { return name_in(kStorageStates, state); }
std::optional<StorageState> parse_storage_state(std::string_view name) {
  return value_in(kStorageStates, name);
}
std::string_view stop_reason_name(StopReason reason) { return name_in(kStopReasons, reason); }
std::optional<StopReason> parse_stop_reason(std::string_view name) {
  return value_in(kStopReasons, name);
}

}  // namespace matrx
