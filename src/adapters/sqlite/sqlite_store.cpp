#include "adapters/sqlite/sqlite_store.hpp"

#include "adapters/sqlite/sqlite_worker.hpp"
#include "async/offload.hpp"

namespace matrx {

SqliteStore::SqliteStore(std::string path)
    : path_(std::move(path)), worker_(std::make_unique<Worker>()) {}

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

Task<Result<Sandbox>> SqliteStore::insert(Sandbox sandbox, NewEvent event) {
  return on_worker([sandbox = std::move(sandbox), event = std::move(event)](Worker& w) {
    return w.insert(sandbox, event);
  });
}

Task<Result<Sandbox>> SqliteStore::get(SandboxId id) {
  return on_worker([id = std::move(id)](Worker& w) { return w.get(id); });
}

Task<Result<Sandbox>> SqliteStore::update(Sandbox sandbox, TimePoint at, NewEvent event) {
  return on_worker([sandbox = std::move(sandbox), at, event = std::move(event)](Worker& w) {
    return w.update(sandbox, at, event);
  });
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

Task<Result<std::int64_t>> SqliteStore::count_active() {
  return on_worker([](Worker& w) { return w.count_active(); });
}

Task<Result<std::vector<SandboxEvent>>> SqliteStore::events(SandboxId id) {
  return on_worker([id = std::move(id)](Worker& w) { return w.events(id); });
}

Task<Result<void>> SqliteStore::append_event(SandboxId id, TimePoint at, NewEvent event) {
  return on_worker([id = std::move(id), at, event = std::move(event)](Worker& w) {
    return w.append_event(id, at, event);
  });
}

}  // namespace matrx
