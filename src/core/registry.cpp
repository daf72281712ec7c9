#include "core/registry.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr std::size_t kEventDetailBytesMax = 64 * 1024;  // as much as an agent may report
constexpr std::size_t kLoggedDetailBytesMax = 500;       // a log line stays a line

std::string shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  text.resize(bytes_max);
  return to_valid_utf8(std::move(text));
}

}  // namespace

Task<Result<Inserted>> Registry::insert(Sandbox row, Actor actor,
                                        std::optional<IdempotencyKey> key) {
  auto seat = census_.take_seat(row.user_id);
  if (!seat) {
    if (!key) co_return std::unexpected(seat.error());
    CO_TRY(made, co_await store_.find_claimed(*std::move(key)));
    if (made) co_return Inserted{*std::move(made), false};
    co_return std::unexpected(seat.error());
  }
  CO_TRY(now, co_await store_.now());
  row.created_at = row.updated_at = now;
  row.expires_at = now + seconds(row.ttl_seconds);
  NewEvent event{.type = "created", .actor = actor.text, .detail = {}};
  CO_TRY(inserted, co_await store_.insert(std::move(row), event, std::move(key)));
  if (!inserted.is_new) co_return inserted;
  census_.add(inserted.row.id, inserted.row.user_id);
  log::info("sandbox creating", {{"sandbox_id", inserted.row.id.text()},
                                 {"user_id", inserted.row.user_id},
                                 {"image", inserted.row.image},
                                 {"ttl_seconds", inserted.row.ttl_seconds},
                                 {"actor", actor.text}});
  co_return inserted;
}

Task<Result<Sandbox>> Registry::change(SandboxId id, Actor actor, Change change) {
  for (int tries = 0; tries < kCasTriesMax; ++tries) {
    CO_TRY(row, co_await store_.get(id));
    const auto version = row.version;
    auto changed = co_await change_once(std::move(row), actor, change);
    if (changed || changed.error().code != Code::conflict) co_return changed;
    // A conflict is a lost race or the state machine's no: only the first is worth another try.
    CO_TRY(now, co_await store_.get(id));
    if (now.version == version) co_return changed;
  }
  co_return fail(Code::conflict, "The sandbox is being changed by others; try again.");
}

Task<Result<Sandbox>> Registry::change_once(Sandbox row, Actor actor, Change change) {
  const Sandbox before = row;
  NewEvent event{.type = {}, .actor = std::move(actor.text), .detail = {}};
  CO_TRY(now, co_await store_.now());
  CO_TRY(wanted, change(row, event, now));
  if (!wanted) co_return row;
  if (!can_follow(before.status, row.status)) {
    co_return fail(Code::conflict, "The sandbox is " + std::string(status_name(before.status)) +
                                       " and cannot become " +
                                       std::string(status_name(row.status)) + ".");
  }
  if (event.type.empty()) event.type = status_name(row.status);
  if (event.detail.empty() && row.stop_reason && row.status != before.status) {
    event.detail = "stop_reason " + std::string(stop_reason_name(*row.stop_reason));
  }
  event.detail = shortened(std::move(event.detail), kEventDetailBytesMax);
  if (is_final(row.status)) {
    row.stopped_at = now;
    if (row.storage_state == StorageState::active) row.storage_state = StorageState::pending;
  }
  CO_TRY(updated, co_await store_.update(std::move(row), now, event));
  if (is_final(updated.status)) census_.remove(updated.id);
  log_change(updated, event, before.status);
  co_return updated;
}

Task<Result<Sandbox>> Registry::note_storage(SandboxId id, Actor actor, StorageState state,
                                             std::string detail) {
  for (int tries = 0; tries < kCasTriesMax; ++tries) {
    CO_TRY(row, co_await store_.get(id));
    // Words on what is not saved yet: they make nothing unsaved again.
    const bool is_saved =
        row.storage_state == StorageState::saved || row.storage_state == StorageState::none;
    const bool says_less = state == StorageState::active || state == StorageState::none;
    if (says_less && is_saved) co_return row;
    const StorageState wanted = state == StorageState::active ? row.storage_state : state;
    if (row.storage_state == wanted && row.storage_detail == detail) co_return row;
    const Status before = row.status;
    row.storage_state = wanted;
    row.storage_detail = detail;
    const char* type = wanted == StorageState::saved  ? "home_saved"
                       : wanted == StorageState::none ? "home_given_up"
                       : detail.empty()               ? "home_recovered"
                                                      : "home_not_saved";
    NewEvent event{.type = type, .actor = actor.text, .detail = detail};
    CO_TRY(now, co_await store_.now());
    auto updated = co_await store_.update(std::move(row), now, event);
    if (updated) log_change(*updated, event, before);
    if (updated || updated.error().code != Code::conflict) co_return updated;
  }
  co_return fail(Code::conflict, "The sandbox is being changed by others; try again.");
}

Task<Result<void>> Registry::recount() {
  census_.begin_count();
  CO_TRY(rows, co_await store_.list_active(installation_));
  census_.finish_count(rows);
  co_return Result<void>();
}

void Registry::log_change(const Sandbox& row, const NewEvent& event, Status before) {
  const std::string message = "sandbox " + event.type;
  const auto level = row.status == Status::failed || row.stop_reason == StopReason::lost
                         ? log::Level::warning
                         : log::Level::info;
  log::write(level, message,
             {{"sandbox_id", row.id.text()},
              {"user_id", row.user_id},
              {"from", status_name(before)},
              {"to", status_name(row.status)},
              {"stop_reason", row.stop_reason ? stop_reason_name(*row.stop_reason) : ""},
              {"actor", event.actor},
              {"detail", shortened(event.detail, kLoggedDetailBytesMax)}});
}

}  // namespace matrx
