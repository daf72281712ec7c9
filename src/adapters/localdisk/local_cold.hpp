#pragma once
// Large files on this host's own disk: the sandbox gets the user's folder itself.

#include <string>

#include "ports/cold.hpp"

namespace matrx {

class LocalCold : public NoColdMounts {
 public:
  // root: that of LocalDiskStorage.
  explicit LocalCold(std::string root) : root_(std::move(root)) {}

  std::optional<ColdBind> bind(const SandboxId& id, const std::string& user_id) const override;
  Task<Result<void>> attach(SandboxId id, std::string user_id) override;

 private:
  std::string folder_of(const std::string& user_id) const;

  std::string root_;
};

}  // namespace matrx
