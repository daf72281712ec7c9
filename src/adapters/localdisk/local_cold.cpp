#include "adapters/localdisk/local_cold.hpp"

#include <unistd.h>

#include <filesystem>

#include "base/files.hpp"
#include "model/home_tree.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::string LocalCold::folder_of(const std::string& user_id) const {
  return (fs::path(root_) / "users" / user_id / "cold").string();
}

std::optional<ColdBind> LocalCold::bind(const SandboxId&, const std::string& user_id) const {
  return ColdBind{.source = folder_of(user_id)};
}

Task<Result<void>> LocalCold::attach(SandboxId, std::string user_id) {
  const std::string folder = folder_of(user_id);
  std::error_code ec;
  if (fs::is_directory(folder, ec)) co_return Result<void>();
  fs::create_directories(folder, ec);
  if (ec || ::chown(folder.c_str(), kAgentUid, kAgentUid) != 0) {
    co_return file_error("make " + folder);
  }
  co_return Result<void>();
}

}  // namespace matrx
