#pragma once
// Homes as folders of this host: <root>/<sandbox id>/{home, about.json, base.json, journal.json}.

#include <boost/asio/thread_pool.hpp>
#include <string>

#include "adapters/homes/home_scan.hpp"
#include "base/limits.hpp"
#include "ports/homes.hpp"

namespace matrx {

class LocalHomes : public Homes {
 public:
  // boot: names this start of the host's kernel (base/boot.hpp).
  LocalHomes(std::string root, std::string installation, std::string boot, HomeExcludes excludes,
             HomeLimits limits)
      : root_(std::move(root)),
        installation_(std::move(installation)),
        boot_(std::move(boot)),
        excludes_(std::move(excludes)),
        limits_(limits) {}
  ~LocalHomes() override {
    threads_.join();
    sweepers_.join();
  }

  Task<Result<void>> open() override;
  std::string folder(const SandboxId& id) const override;
  Task<Result<void>> make(SandboxId id, std::string user_id) override;
  Task<Result<void>> finish(SandboxId id, HomeTree tree) override;
  bool is_excluded(const std::string& path, NodeKind kind) const override {
    return is_left_out(excludes_, path, kind);
  }
  Task<Result<HomeScan>> scan(SandboxId id, ScanReach reach) override;
  Task<Result<std::int64_t>> noted_bytes(SandboxId id) override;
  Task<Result<HomeTree>> base(SandboxId id) override;
  Task<Result<void>> write_base(SandboxId id, HomeTree tree) override;
  Task<Result<HomeTree>> journal(SandboxId id) override;
  Task<Result<void>> write_journal(SandboxId id, HomeTree files) override;
  Task<Result<void>> forget(SandboxId id) override;
  Task<Result<void>> rename(SandboxId id, Renames renames) override;
  Task<Result<std::vector<KeptHome>>> list() override;

 private:
  std::string file(const SandboxId& id, const char* name) const;
  HomeLimits limits_of(ScanReach reach) const;

  std::string root_;
  std::string installation_;
  std::string boot_;
  HomeExcludes excludes_;
  HomeLimits limits_;
  // A large home must not hold up a small one, nor must one that is being removed.
  asio::thread_pool threads_{kSyncThreads};
  asio::thread_pool sweepers_{2};
};

}  // namespace matrx
