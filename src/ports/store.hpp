#pragma once
// The registry. Implemented by adapters/memory and adapters/sqlite; tests/contract/store_contract
// holds every promise made here.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "model/sandbox.hpp"

namespace matrx {

// What happened, to be appended with a change. The store adds id, time, status and sandbox.
struct NewEvent {
  std::string type;
  std::string actor;
  std::string detail;
};

struct ListQuery {
  std::string user_id;  // empty: of all users
  std::optional<Status> status;
  bool active_only = false;  // leave out final ones
  std::optional<std::pair<std::string, std::string>> label;
  int limit = 100;     // 1 to kListLimitMax
  std::string cursor;  // next_cursor of the page before
};

struct SandboxPage {
  std::vector<Sandbox> sandboxes;  // newest first: by created_at, then id
  std::int64_t total = 0;          // matching rows over all pages
  std::string next_cursor;         // empty: the last page
};

// Errors of every method: unavailable = the database does not answer; internal = it holds
// something that we do not understand.
class Store {
 public:
  virtual ~Store() = default;

  // Opens the database and checks its schema.
  virtual Task<Result<void>> open() = 0;
  virtual Task<Result<void>> ping() = 0;

  // Adds the row with version 1, durably: after a crash of the machine it is still there.
  // conflict: the id exists.
  virtual Task<Result<Sandbox>> insert(Sandbox sandbox, NewEvent event) = 0;

  // not_found: no such row.
  virtual Task<Result<Sandbox>> get(SandboxId id) = 0;

  // Replaces the row if its version is still sandbox.version, appends the event in the same
  // transaction, and returns the new row (version + 1, updated_at = at). last_heartbeat_at is not
  // touched. conflict: somebody was faster; read again and decide again. not_found: no such row.
  virtual Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) = 0;

  // Sets last_heartbeat_at of a row that is not final, without a new version.
  // conflict: it is final. not_found: no such row.
  virtual Task<Result<void>> heartbeat(SandboxId id, TimePoint at) = 0;

  // invalid: the cursor is not one of ours.
  virtual Task<Result<SandboxPage>> list(ListQuery query) = 0;

  // Every row of this installation that is not final. For the loops.
  virtual Task<Result<std::vector<Sandbox>>> list_active(std::string installation) = 0;

  // The ids of its usable rows (ready, running) whose expires_at is not after now; at most `limit`,
  // the longest overdue first.
  virtual Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                        int limit) = 0;

  virtual Task<Result<std::int64_t>> count_active() = 0;

  // The history of one sandbox, oldest first, at most kEventsMax (the newest). Empty: unknown id.
  virtual Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) = 0;

  // Adds an event without a change of the row.
  virtual Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) = 0;
};

}  // namespace matrx
