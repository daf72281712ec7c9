#include "adapters/sqlite/sqlite_store.hpp"

#include "adapters/sqlite/sqlite_worker.hpp"
#include "async/offload.hpp"

namespace matrx {

SqliteStore::SqliteStore(std::string path, const Clock& clock)
    : path_(std::move(path)), clock_(clock), worker_(std::make_unique<Worker>()) {}

SqliteStore::~SqliteStore() { thread_.join(); }

template <class F>
auto SqliteStore::on_worker(F function) -> Task<std::invoke_result_t<F&, Worker&>> {
  auto run = [worker = worker_.get(), f = std::move(function)]() mutable { return f(*worker); };
  co_return co_await offload(thread_, std::move(run));
}

Task<Result<void>> SqliteStore::open() {
  return on_worker([path = path_](Worker& w) { return w.open(path); });
}

Task<Result<void>> SqliteStore::ping() {
  return on_worker([](Worker& w) { return w.ping(); });
}

Task<Result<TimePoint>> SqliteStore::now() { co_return clock_.now(); }

Task<Result<Inserted>> SqliteStore::insert(Sandbox sandbox, NewEvent event,
                                           std::optional<IdempotencyKey> key) {
  auto work = [sandbox = std::move(sandbox), event = std::move(event), key = std::move(key),
               now = clock_.now()](Worker& w) { return w.insert(sandbox, event, key, now); };
  auto inserted = co_await on_worker(std::move(work));
  if (inserted && inserted->is_new) appended_.ring();
  co_return inserted;
}

Task<Result<Sandbox>> SqliteStore::get(SandboxId id) {
  return on_worker([id = std::move(id)](Worker& w) { return w.get(id); });
}

Task<Result<Sandbox>> SqliteStore::update(Sandbox sandbox, TimePoint at, NewEvent event) {
  auto work = [sandbox = std::move(sandbox), at, event = std::move(event)](Worker& w) {
    return w.update(sandbox, at, event);
  };
  auto updated = co_await on_worker(std::move(work));
  if (updated) appended_.ring();
  co_return updated;
}

Task<Result<void>> SqliteStore::note_active(SandboxId id, TimePoint at) {
  return on_worker([id = std::move(id), at](Worker& w) { return w.note_active(id, at); });
}

Task<Result<void>> SqliteStore::heartbeat(SandboxId id, TimePoint at) {
  return on_worker([id = std::move(id), at](Worker& w) { return w.heartbeat(id, at); });
}

Task<Result<SandboxPage>> SqliteStore::list(ListQuery query) {
  return on_worker([query = std::move(query)](Worker& w) { return w.list(query); });
}

Task<Result<std::vector<Sandbox>>> SqliteStore::list_active(std::string installation) {
  return on_worker(
      [installation = std::move(installation)](Worker& w) { return w.list_active(installation); });
}

Task<Result<std::vector<SandboxId>>> SqliteStore::list_due(std::string installation, TimePoint now,
                                                           int limit) {
  return on_worker([installation = std::move(installation), now, limit](Worker& w) {
    return w.list_due(installation, now, limit);
  });
}

Task<Result<std::vector<Sandbox>>> SqliteStore::list_unsaved(std::string installation,
                                                             std::string user_id, int limit) {
  return on_worker([installation = std::move(installation), user_id = std::move(user_id),
                    limit](Worker& w) { return w.list_unsaved(installation, user_id, limit); });
}

Task<Result<std::int64_t>> SqliteStore::count_active(std::string installation) {
  return on_worker(
      [installation = std::move(installation)](Worker& w) { return w.count_active(installation); });
}

Task<Result<std::vector<SandboxEvent>>> SqliteStore::events(SandboxId id) {
  return on_worker([id = std::move(id)](Worker& w) { return w.events(id); });
}

Task<Result<void>> SqliteStore::append_event(SandboxId id, TimePoint at, NewEvent event) {
  auto work = [id = std::move(id), at, event = std::move(event)](Worker& w) {
    return w.append_event(id, at, event);
  };
  auto appended = co_await on_worker(std::move(work));
  if (appended) appended_.ring();
  co_return appended;
}

Task<Result<FeedPage>> SqliteStore::feed(std::string after, int limit) {
  return on_worker([after = std::move(after), limit](Worker& w) { return w.feed(after, limit); });
}

Task<void> SqliteStore::wait_for_feed(milliseconds limit) { return appended_.wait(limit); }

Task<Result<void>> SqliteStore::announce(std::string installation, std::string host_name) {
  return on_worker(
      [installation = std::move(installation), host_name = std::move(host_name),
       now = clock_.now()](Worker& w) { return w.announce({installation, host_name, now}); });
}

Task<Result<void>> SqliteStore::note_clean(std::string installation, TimePoint at) {
  return on_worker([installation = std::move(installation), at](Worker& w) {
    return w.note_clean(installation, at);
  });
}

Task<Result<std::optional<Host>>> SqliteStore::host(std::string installation) {
  return on_worker(
      [installation = std::move(installation)](Worker& w) { return w.host(installation); });
}

Task<Result<bool>> SqliteStore::take_lease(std::string name, std::string holder,
                                           milliseconds duration) {
  return on_worker(
      [name = std::move(name), holder = std::move(holder), duration,
       now = clock_.now()](Worker& w) { return w.take_lease(name, holder, now, now + duration); });
}

Task<Result<std::vector<Sandbox>>> SqliteStore::list_deserted(TimePoint due, TimePoint silent_since,
                                                              int limit) {
  return on_worker(
      [due, silent_since, limit](Worker& w) { return w.list_deserted(due, silent_since, limit); });
}

Task<Result<int>> SqliteStore::prune(TimePoint ended_before, TimePoint unclean_before, int limit) {
  return on_worker([ended_before, unclean_before, limit, now = clock_.now()](Worker& w) {
    return w.prune(ended_before, unclean_before, limit, now);
  });
}

}  // namespace matrx
