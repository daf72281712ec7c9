#pragma once
// The registry in memory: for trying things out and for tests. Ends with the process.

#include <map>
#include <vector>

#include "ports/store.hpp"

namespace matrx {

class MemoryStore : public Store {
 public:
  Task<Result<void>> open() override;
  Task<Result<void>> ping() override;
  Task<Result<Sandbox>> insert(Sandbox sandbox, NewEvent event) override;
  Task<Result<Sandbox>> get(SandboxId id) override;
  Task<Result<Sandbox>> update(Sandbox sandbox, TimePoint at, NewEvent event) override;
  Task<Result<void>> heartbeat(SandboxId id, TimePoint at) override;
  Task<Result<SandboxPage>> list(ListQuery query) override;
  Task<Result<std::vector<Sandbox>>> list_active(std::string installation) override;
  Task<Result<std::vector<SandboxId>>> list_due(std::string installation, TimePoint now,
                                                int limit) override;
  Task<Result<std::int64_t>> count_active() override;
  Task<Result<std::vector<SandboxEvent>>> events(SandboxId id) override;
  Task<Result<void>> append_event(SandboxId id, TimePoint at, NewEvent event) override;

 private:
  struct Entry {
    Sandbox row;
    std::vector<SandboxEvent> events;
  };

  void append(Entry& entry, TimePoint at, NewEvent event);
  void drop_oldest_ended();

  std::map<SandboxId, Entry> entries_;
  std::vector<SandboxId> ended_;  // in order of their end
  std::int64_t last_event_id_ = 0;
};

}  // namespace matrx
