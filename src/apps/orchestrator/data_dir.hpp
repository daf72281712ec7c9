#pragma once
// The folder that an orchestrator owns on its host.

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"

namespace matrx {

class DataDir {
 public:
  // Makes the folder and locks it for this process. conflict: another orchestrator has it.
  // unavailable: it cannot be made or written; the message names it.
  static Result<std::unique_ptr<DataDir>> open(const std::string& path, Random& random);
  ~DataDir();

  // Marks our containers; made once, kept in the folder.
  const std::string& installation() const { return installation_; }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path sandboxes() const { return path_ / "sandboxes"; }
  std::filesystem::path homes() const { return path_ / "homes"; }
  std::filesystem::path rclone() const { return path_ / "rclone"; }
  std::filesystem::path mount_s3() const { return path_ / "mount-s3"; }
  std::filesystem::path cold() const { return path_ / "cold"; }
  std::filesystem::path staging() const { return path_ / "staging"; }
  std::filesystem::path storage() const { return path_ / "storage"; }
  std::filesystem::path ssh() const { return path_ / "ssh"; }
  std::filesystem::path reserve() const { return path_ / "reserve"; }
  std::filesystem::path registry() const { return path_ / "registry.db"; }

  // Copies the agent into the folder, where the container engine finds it by the same path, and
  // returns that path. Running sandboxes keep the copy that they were started with.
  Result<std::filesystem::path> install_agent(const std::filesystem::path& from) const;

 private:
  DataDir(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  Result<void> learn_installation(Random& random);

  std::filesystem::path path_;
  int lock_;
  std::string installation_;
};

}  // namespace matrx
