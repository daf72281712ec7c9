#pragma once
// The registry. Implemented by adapters/memory, adapters/sqlite and adapters/postgres;
// tests/contract/store_contract holds every promise made here.
//
// Several orchestrators may share one store (Postgres). Each row belongs to the installation whose
// container engine it lives on, and all times come from the store's clock: see now().

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

// Names a request, so that it can be sent again without being done again.
struct IdempotencyKey {
  std::string key;
  std::string fingerprint;  // of what was asked for: the same key must come with the same one
};

struct Inserted {
  Sandbox row;
  bool is_new = true;  // false: the row that this key made before
};

struct SandboxPage {
  std::vector<Sandbox> sandboxes;  // newest first: by created_at, then id
  std::int64_t total = 0;          // matching rows over all pages
  std::string next_cursor;         // empty: the last page
};

// One event of the live feed.
struct FeedItem {
  SandboxEvent event;
  std::string installation;  // that the sandbox belongs to
  std::string cursor;        // where to go on after it
};

struct FeedPage {
  std::vector<FeedItem> items;  // in an order that never changes
  std::string cursor;           // where to go on after the page
};

// An orchestrator as the others see it.
struct Host {
  std::string installation;
  std::string name;  // for people: where to look
  TimePoint last_seen_at;
};

// Errors of every method: unavailable = the database does not answer; exhausted = it is full, and
// nobody's change is written; internal = it holds something that we do not understand.
class Store {
 public:
  virtual ~Store() = default;

  // Opens the database and checks its schema. invalid: a setting, or the schema, is wrong.
  virtual Task<Result<void>> open() = 0;
  virtual Task<Result<void>> ping() = 0;  // it can be read, and could be written a moment ago

  // The one clock of all orchestrators that share this store. Their own may differ. It does not
  // jump while sandboxes live by it, whatever is done to the clock of the host.
  virtual Task<Result<TimePoint>> now() = 0;

  // How far the host's clock is ahead of now(), where somebody has set it and the store has not
  // taken that over yet.
  virtual milliseconds clock_step() const { return milliseconds(0); }

  // False: no other process can use it, so there is nobody to take a lease from.
  virtual bool is_shared() const { return true; }

  // Adds the row with version 1, durably: after a crash of the machine it is still there.
  // With a key that was used within kIdempotencyWindow, adds nothing and answers the row that it
  // made; a row that failed does not count, so that a failed create can be tried again.
  // conflict: the id exists, or the key came with another fingerprint.
  virtual Task<Result<Inserted>> insert(Sandbox sandbox, NewEvent event,
                                        std::optional<IdempotencyKey> key) = 0;

  // The row that insert() would answer to this key; none where it would add one.
  // conflict: the key came with another fingerprint.
  virtual Task<Result<std::optional<Sandbox>>> find_claimed(IdempotencyKey key) = 0;

  // not_found: no such row.
  virtual Task<Result<Sandbox>> get(SandboxId id) = 0;

  // Replaces the row if its version is still sandbox.version, appends the event in the same
  // transaction, and returns the new row (version + 1, updated_at = at). last_heartbeat_at and
  // last_active_at are not touched. conflict: somebody was faster; read again and decide again.
  // not_found: no such row.
  virtual Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) = 0;

  // Sets last_heartbeat_at of a row that is not final, without a new version.
  // conflict: it is final. not_found: no such row.
  virtual Task<Result<void>> heartbeat(SandboxId id, TimePoint at) = 0;

  // The same for last_active_at; never back.
  virtual Task<Result<void>> note_active(SandboxId id, TimePoint at) = 0;

  // invalid: the cursor is not one of ours.
  virtual Task<Result<SandboxPage>> list(ListQuery query) = 0;

  // Every row of this installation that is not final. For the loops.
  virtual Task<Result<std::vector<Sandbox>>> list_active(std::string installation) = 0;

  // The ids of its usable rows (ready, running) whose expires_at is not after now; at most `limit`,
  // the longest overdue first.
  virtual Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                        int limit) = 0;

  // Rows whose home has still to be saved and that nobody can use any more: pending, or active and
  // shutting down. Of this installation and of this user; empty: of any. At most `limit`.
  virtual Task<Result<std::vector<Sandbox>>> list_unsaved(std::string installation,
                                                          std::string user_id, int limit) = 0;

  virtual Task<Result<std::int64_t>> count_active(std::string installation) = 0;

  // The history of one sandbox, oldest first, at most kEventsMax (the newest). Empty: unknown id.
  virtual Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) = 0;

  // Adds an event without a change of the row.
  virtual Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) = 0;

  // --- The live feed: the events of all sandboxes, each exactly once, none skipped ---

  // What came after the cursor, oldest first. An empty cursor means the end: no items, and a
  // cursor from which to go on. invalid: the cursor is not one of this store's; begin anew.
  virtual Task<Result<FeedPage>> feed(std::string after, int limit) = 0;

  // Returns when there may be something new since it was last called, at the latest after `limit`.
  // For one caller.
  virtual Task<void> wait_for_feed(milliseconds limit) = 0;

  // --- Several orchestrators ---

  // Says that this installation's orchestrator is alive now.
  virtual Task<Result<void>> announce(std::string installation, std::string host_name) = 0;

  // Says that at that time no container of a row of this installation that had ended by then was
  // left. A host that was never announced: nothing happens.
  virtual Task<Result<void>> note_clean(std::string installation, TimePoint at) = 0;

  // Nothing: it has never been announced.
  virtual Task<Result<std::optional<Host>>> host(std::string installation) = 0;

  // True where the holder has the lease, new or renewed, for that long; false: somebody else has.
  virtual Task<Result<bool>> take_lease(std::string name, std::string holder,
                                        milliseconds duration) = 0;

  // Rows that are not final, whose time was over at `due`, of hosts that have not been announced
  // since `silent_since`: nobody looks after them. At most `limit`.
  virtual Task<Result<std::vector<Sandbox>>> list_deserted(TimePoint due, TimePoint silent_since,
                                                           int limit) = 0;

  // Forgets rows that ended before `ended_before`, with their history, at most `limit` of them, and
  // idempotency keys and leases older than kIdempotencyWindow. Answers how many rows. A row whose
  // host has not been clean since (note_clean), or whose home is pending, stays until it has ended
  // before `unclean_before`: a host that comes back must find out that it has to remove the
  // container. The feed keeps the events, or its cursors from before them are invalid from then on.
  virtual Task<Result<int>> prune(TimePoint ended_before, TimePoint unclean_before, int limit) = 0;
};

}  // namespace matrx
