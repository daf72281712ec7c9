#include "adapters/sqlite/sqlite_store.hpp"

#include "adapters/sqlite/sqlite_worker.hpp"
#include "async/offload.hpp"
#include "base/limits.hpp"

namespace matrx {

SqliteStore::SqliteStore(std::string path, const Clock& clock)
    : path_(std::move(path)), clock_(clock), time_(clock), worker_(std::make_unique<Worker>()) {}

SqliteStore::~SqliteStore() { thread_.join(); }  // only then goes the worker, with the database

template <class F>
auto SqliteStore::on_worker(F function) -> Task<std::invoke_result_t<F&, Worker&>> {
  auto run = [worker = worker_.get(), f = std::move(function)]() mutable { return f(*worker); };
  co_return co_await offload(thread_, std::move(run));
}

Task<Result<void>> SqliteStore::open() {
  CO_CHECK(co_await on_worker([path = path_](Worker& w) { return w.open(path); }));
  CO_TRY(known, co_await on_worker([](Worker& w) { return w.read_clock(); }));
  const ClockMark before = known.value_or(ClockMark());
  ClockMark mark{.boot = clock_.boot(), .doubted_at = before.doubted_at};
  const bool goes_on = known && !mark.boot.empty() && known->boot == mark.boot;
  if (goes_on) time_.resume(before.offset);
  (void)time_.now();
  // Nobody uses it yet, so the host's new time can be taken over: what lives moves with it.
  const milliseconds step = time_.step();
  time_.confirm();
  mark.seen_at = time_.now();
  mark.offset = time_.offset();
  // Has the machine been off for so long, or is its clock wrong? Nobody knows.
  const auto away = std::chrono::abs(mark.seen_at - before.seen_at);
  const bool is_strange = goes_on ? step != milliseconds(0) : known && away > kClockDoubt;
  const bool went_back = !goes_on && known && mark.seen_at + kClockStepMin < before.seen_at;
  if (is_strange || went_back) mark.doubted_at = mark.seen_at;
  doubted_at_ = mark.doubted_at;
  co_return co_await on_worker([mark, step](Worker& w) { return w.take_over_clock(mark, step); });
}

Task<Result<void>> SqliteStore::ping() {
  return on_worker(
      [up = clock_.uptime(), now = clock_.now()](Worker& w) { return w.ping(up, now); });
}

Task<Result<TimePoint>> SqliteStore::now() { co_return time_.now(); }

milliseconds SqliteStore::clock_step() const { return time_.step(); }

Task<Result<Inserted>> SqliteStore::insert(Sandbox sandbox, NewEvent event,
                                           std::optional<IdempotencyKey> key) {
  auto work = [sandbox = std::move(sandbox), event = std::move(event), key = std::move(key),
               now = time_.now()](Worker& w) { return w.insert(sandbox, event, key, now); };
  auto inserted = co_await on_worker(std::move(work));
  if (inserted && inserted->is_new) appended_.ring();
  co_return inserted;
}

Task<Result<std::optional<Sandbox>>> SqliteStore::find_claimed(IdempotencyKey key) {
  return on_worker(
      [key = std::move(key), now = time_.now()](Worker& w) { return w.find_claimed(key, now); });
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
  const TimePoint now = time_.now();
  Host host{
      .installation = std::move(installation), .name = std::move(host_name), .last_seen_at = now};
  ClockMark mark{
      .boot = clock_.boot(), .offset = time_.offset(), .seen_at = now, .doubted_at = doubted_at_};
  const bool is_set = time_.step() != milliseconds(0);
  CO_CHECK(co_await on_worker([host, mark](Worker& w) { return w.announce(host, mark); }));
  if (!is_set) co_return Result<void>();
  // The host's new time, where no life depends on the old one.
  CO_TRY(lives, co_await on_worker([](Worker& w) { return w.count_active(""); }));
  if (lives > 0) co_return Result<void>();
  const milliseconds step = time_.step();
  time_.confirm();
  mark.seen_at = time_.now();
  mark.offset = time_.offset();
  doubted_at_ = mark.doubted_at = mark.seen_at;
  co_return co_await on_worker([mark, step](Worker& w) { return w.take_over_clock(mark, step); });
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
      [name = std::move(name), holder = std::move(holder), duration, now = time_.now()](Worker& w) {
        return w.take_lease(name, holder, now, now + duration);
      });
}

Task<Result<std::vector<Sandbox>>> SqliteStore::list_deserted(TimePoint due, TimePoint silent_since,
                                                              int limit) {
  return on_worker(
      [due, silent_since, limit](Worker& w) { return w.list_deserted(due, silent_since, limit); });
}

Task<Result<int>> SqliteStore::prune(TimePoint ended_before, TimePoint unclean_before, int limit) {
  const bool is_doubtful = doubted_at_ && time_.now() < *doubted_at_ + kClockDoubt;
  if (is_doubtful) ended_before = unclean_before = TimePoint();  // old keys and leases only
  return on_worker([ended_before, unclean_before, limit, now = time_.now()](Worker& w) {
    return w.prune(ended_before, unclean_before, limit, now);
  });
}

}  // namespace matrx
