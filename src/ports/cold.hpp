#pragma once
// A user's large files, as they appear in a running sandbox. Implemented by adapters/mounts
// (mounts of the bucket), adapters/localdisk (the folder itself) and by tests/fakes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

struct ColdMount {
  SandboxId id;
  std::string user_id;  // empty: nobody knows any more
  bool operator==(const ColdMount&) const = default;
};

// How every sentence on large files begins, so that it can be told from one on the home.
inline constexpr std::string_view kColdWordsBegin = "Large files";

// Since the start of this process.
struct ColdTotals {
  std::int64_t mounted = 0;  // now
  std::int64_t mounts = 0, mount_failures = 0;
  std::int64_t heals = 0, heal_failures = 0;  // of mounts whose mounter had ended
  std::int64_t refused_uploads = 0;           // tries that the store did not take
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
  virtual Task<Result<std::vector<ColdMount>>> list() = 0;

  // Those whose files have gone, to be mended. To be asked all the time.
  virtual Task<std::vector<ColdMount>> find_broken() = 0;
  // Makes them appear again. For one that is not attached any more: nothing happens.
  virtual Task<Result<void>> mend(SandboxId id) = 0;

  // A sentence for people: why what is written there does not reach the storage; it begins with
  // kColdWordsBegin. Empty: it does.
  virtual std::string trouble(const SandboxId& id) const = 0;

  virtual ColdTotals totals() const = 0;
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
  Task<Result<std::vector<ColdMount>>> list() override { co_return std::vector<ColdMount>(); }
  Task<std::vector<ColdMount>> find_broken() override { co_return std::vector<ColdMount>(); }
  Task<Result<void>> mend(SandboxId) override { co_return Result<void>(); }
  std::string trouble(const SandboxId&) const override { return {}; }
  ColdTotals totals() const override { return {}; }
};

}  // namespace matrx
