// The orchestrator that dies where a test wants it to: every change of the registry or the world
// passes a failpoint before and after it. Never shipped; production code knows nothing of this.
//
//   MATRX_FAILPOINT=store.update.after:2   kill -9 when that point is passed for the second time
//   MATRX_FAILPOINT_LOG=path               writes down every point that is passed

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "apps/orchestrator/run.hpp"

namespace matrx {
namespace {

void pass(const std::string& point) {
  static std::map<std::string, int> passed;
  const int times = ++passed[point];
  if (const char* path = std::getenv("MATRX_FAILPOINT_LOG")) {
    std::ofstream(path, std::ios::app) << point << ':' << times << '\n';
  }
  const char* fatal = std::getenv("MATRX_FAILPOINT");
  if (fatal != nullptr && point + ':' + std::to_string(times) == fatal) kill(getpid(), SIGKILL);
}

template <class T>
Task<T> between(std::string point, Task<T> act) {
  pass(point + ".before");
  auto result = co_await std::move(act);
  pass(point + ".after");
  co_return result;
}

class FailingStore : public Store {
 public:
  explicit FailingStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}

  Task<Result<Inserted>> insert(Sandbox sandbox, NewEvent event,
                                std::optional<IdempotencyKey> key) override {
    return between("store.insert",
                   inner_->insert(std::move(sandbox), std::move(event), std::move(key)));
  }
  Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) override {
    return between("store.update", inner_->update(std::move(sandbox), at, std::move(event)));
  }

  // What changes nothing that could tear passes by.
  Task<Result<void>> open() override { return inner_->open(); }
  Task<Result<void>> ping() override { return inner_->ping(); }
  Task<Result<TimePoint>> now() override { return inner_->now(); }
  milliseconds clock_step() const override { return inner_->clock_step(); }
  bool is_shared() const override { return inner_->is_shared(); }
  Task<Result<std::optional<Sandbox>>> find_claimed(IdempotencyKey key) override {
    return inner_->find_claimed(std::move(key));
  }
  Task<Result<Sandbox>> get(SandboxId id) override { return inner_->get(std::move(id)); }
  Task<Result<void>> heartbeat(SandboxId id, TimePoint at) override {
    return inner_->heartbeat(std::move(id), at);
  }
  Task<Result<SandboxPage>> list(ListQuery query) override {
    return inner_->list(std::move(query));
  }
  Task<Result<std::vector<Sandbox>>> list_active(std::string installation) override {
    return inner_->list_active(std::move(installation));
  }
  Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                int limit) override {
    return inner_->list_due(std::move(installation), now, limit);
  }
  Task<Result<std::vector<Sandbox>>> list_unsaved(std::string installation, std::string user_id,
                                                  int limit) override {
    return inner_->list_unsaved(std::move(installation), std::move(user_id), limit);
  }
  Task<Result<std::int64_t>> count_active(std::string installation) override {
    return inner_->count_active(std::move(installation));
  }
  Task<Result<void>> note_active(SandboxId id, TimePoint at) override {
    return inner_->note_active(std::move(id), at);
  }
  Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) override {
    return inner_->events(std::move(id));
  }
  Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) override {
    return inner_->append_event(std::move(id), at, std::move(event));
  }
  Task<Result<FeedPage>> feed(std::string after, int limit) override {
    return inner_->feed(std::move(after), limit);
  }
  Task<void> wait_for_feed(milliseconds limit) override { return inner_->wait_for_feed(limit); }
  Task<Result<void>> announce(std::string installation, std::string host_name) override {
    return inner_->announce(std::move(installation), std::move(host_name));
  }
  Task<Result<std::optional<Host>>> host(std::string installation) override {
    return inner_->host(std::move(installation));
  }
  Task<Result<bool>> take_lease(std::string name, std::string holder,
                                milliseconds duration) override {
    return inner_->take_lease(std::move(name), std::move(holder), duration);
  }
  Task<Result<std::vector<Sandbox>>> list_deserted(TimePoint due, TimePoint silent_since,
                                                   int limit) override {
    return inner_->list_deserted(due, silent_since, limit);
  }
  Task<Result<void>> note_clean(std::string installation, TimePoint at) override {
    return inner_->note_clean(std::move(installation), at);
  }
  Task<Result<int>> prune(TimePoint ended_before, TimePoint unclean_before, int limit) override {
    return inner_->prune(ended_before, unclean_before, limit);
  }

 private:
  std::unique_ptr<Store> inner_;
};

class FailingRuntime : public Runtime {
 public:
  explicit FailingRuntime(std::unique_ptr<Runtime> inner) : inner_(std::move(inner)) {}

  Task<Result<std::string>> create(const ContainerSpec& spec) override {
    return between("runtime.create", inner_->create(spec));
  }
  Task<Result<void>> start(const SandboxId& id) override {
    return between("runtime.start", inner_->start(id));
  }
  Task<Result<void>> remove(const SandboxId& id) override {
    return between("runtime.remove", inner_->remove(id));
  }
  Task<Result<void>> pause(const SandboxId& id) override {
    return between("runtime.pause", inner_->pause(id));
  }
  Task<Result<void>> resume(const SandboxId& id) override {
    return between("runtime.resume", inner_->resume(id));
  }
  Task<Result<std::string>> logs(const SandboxId& id, int lines, std::size_t bytes_max) override {
    return inner_->logs(id, lines, bytes_max);
  }

  Task<Result<void>> prepare() override { return inner_->prepare(); }
  Task<Result<void>> ping() override { return inner_->ping(); }
  Task<Result<void>> look_after() override { return inner_->look_after(); }
  const Walls& walls() const override { return inner_->walls(); }
  std::optional<double> cpus() const override { return inner_->cpus(); }
  Result<void> check_room() const override { return inner_->check_room(); }
  Task<Result<std::optional<Container>>> inspect(const SandboxId& id) override {
    return inner_->inspect(id);
  }
  Task<Result<std::vector<Container>>> list() override { return inner_->list(); }
  Task<Result<void>> watch(std::function<void()> connected,
                           std::function<void(ContainerEvent)> on_event) override {
    return inner_->watch(std::move(connected), std::move(on_event));
  }

 private:
  std::unique_ptr<Runtime> inner_;
};

class FailingGuest : public Guest {
 public:
  explicit FailingGuest(std::unique_ptr<Guest> inner) : inner_(std::move(inner)) {}

  Task<Result<void>> shutdown(const SandboxId& id, milliseconds grace) override {
    return between("guest.shutdown", inner_->shutdown(id, grace));
  }

  Task<Result<void>> wait_ready(const SandboxId& id, milliseconds limit) override {
    return inner_->wait_ready(id, limit);
  }
  Task<Result<ExecOutcome>> exec(const SandboxId& id, const ExecSpec& spec) override {
    return inner_->exec(id, spec);
  }
  Task<Result<void>> serve_signals(const SandboxId& id, SignalHandler handler) override {
    return inner_->serve_signals(id, std::move(handler));
  }
  void forget(const SandboxId& id) override { inner_->forget(id); }

 private:
  std::unique_ptr<Guest> inner_;
};

void put_failpoints(Ports& ports) {
  ports.store = std::make_unique<FailingStore>(std::move(ports.store));
  ports.runtime = std::make_unique<FailingRuntime>(std::move(ports.runtime));
  ports.guest = std::make_unique<FailingGuest>(std::move(ports.guest));
}

}  // namespace
}  // namespace matrx

int main(int argc, char** argv) {
  return matrx::run_orchestrator({argv + 1, argv + argc}, matrx::put_failpoints);
}
