#pragma once
// A user's large files, as they appear in a running sandbox. Implemented by adapters/rclone (a
// mount of the bucket), adapters/localdisk (the folder itself) and by tests/fakes.

#include <optional>
#include <string>
#include <vector>

#include "async/task.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

namespace matrx {

// What the container gets of the host.
struct ColdBind {
  std::string source;
  bool is_parent = false;  // it holds the folder `cold`, which may come and go while it runs
};

// Errors of every method: unavailable = the storage or the host's mounts do not work; timeout.
class ColdMounts {
 public:
  virtual ~ColdMounts() = default;

  // Makes sure that it can be used; the message names the setting to correct.
  virtual Task<Result<void>> open() = 0;

  // Nothing: sandboxes have no cold storage.
  virtual std::optional<ColdBind> bind(const SandboxId& id, const std::string& user_id) const = 0;

  // Makes the files appear. For one that has them already: nothing happens.
  virtual Task<Result<void>> attach(SandboxId id, std::string user_id) = 0;

  // Nothing runs in the sandbox any more. True: all that was written has reached the storage, and
  // nothing is left on this host. False: not within the patience; to be asked again later.
  virtual Task<Result<bool>> detach(SandboxId id, std::string user_id, milliseconds patience) = 0;

  // Those of this host that have not been detached to the end, also from before a restart.
  virtual Task<Result<std::vector<SandboxId>>> list() = 0;

  // Keeps what is attached alive.
  virtual Task<void> watch_for_ever() = 0;
};

// No cold storage at all.
class NoColdMounts : public ColdMounts {
 public:
  Task<Result<void>> open() override { co_return Result<void>(); }
  std::optional<ColdBind> bind(const SandboxId&, const std::string&) const override {
    return std::nullopt;
  }
  Task<Result<void>> attach(SandboxId, std::string) override { co_return Result<void>(); }
  Task<Result<bool>> detach(SandboxId, std::string, milliseconds) override { co_return true; }
  Task<Result<std::vector<SandboxId>>> list() override { co_return std::vector<SandboxId>(); }
  Task<void> watch_for_ever() override { co_return; }
};

}  // namespace matrx
