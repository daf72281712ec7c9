#pragma once
// A folder → a tar archive, piece by piece. Blocking, with the rights of the thread it runs on.

#include <dirent.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/file_error.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {

// Holds one piece and a descriptor for each folder on the way down. Links are stored, not followed;
// pipes, sockets and devices are left out.
class ArchiveSource {
 public:
  // not_found, wrong_type: no folder. skip_unreadable: what the user may not read is left out, and
  // not the end of it.
  static FileResult<ArchiveSource> open(const std::string& path, bool skip_unreadable);

  // The next piece, about kFilePieceBytes; empty at the end. After an error nothing follows.
  FileResult<std::string> next();

 private:
  using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;
  struct Level {
    std::string path;  // below the root, "" of the root itself
    Listing listing;
  };

  ArchiveSource(std::string root, bool skip_unreadable)
      : root_(std::move(root)), skip_unreadable_(skip_unreadable) {}

  FileResult<void> enter(int above, const char* name, std::string path);
  FileResult<void> add_next_entry(std::string& out);
  FileResult<void> add_entry(std::string& out, const std::string& name);
  FileResult<void> add_file(std::string& out, const std::string& name, const std::string& path);
  FileResult<void> add_bytes(std::string& out);
  bool may_skip(int error) const;

  std::string root_;
  bool skip_unreadable_;
  std::vector<Level> levels_;
  Descriptor file_;
  std::string file_path_;
  std::uint64_t file_size_ = 0, file_left_ = 0;
  bool ended_ = false;
};

}  // namespace matrx::agent
