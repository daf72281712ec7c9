#pragma once
// Copies of files on their way to the object store. rclone never sees a home: what it reads was
// read before, by us, through openat2 without following any link, and nobody can change it any
// more. Blocking: for a worker thread.

#include <string>
#include <vector>

#include "base/error.hpp"

namespace matrx::rclone {

struct StagedFile {
  std::string path;  // of the home
  std::string key;
  std::string md5;  // lower-case hex
};

class Staging {
 public:
  // A folder of its own below `root`; gone with this object.
  static Result<Staging> make(const std::string& root);
  Staging(Staging&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  Staging& operator=(Staging&&) = delete;
  ~Staging();

  const std::string& folder() const { return folder_; }

  // Takes files in order until there are enough (kStagedFilesMax, kStagedBytesMax and a share of
  // the free disk) or the disk is full; the rest comes in the next round. Answers how many of the
  // paths are dealt with. What is no regular file any more, or has a name that no key can carry, is
  // left out. exhausted: not even the first one finds room.
  Result<std::size_t> take(const std::string& from_folder, const std::vector<std::string>& paths,
                           std::size_t first, std::size_t prefix_bytes,
                           std::vector<StagedFile>& staged) const;

  // Empties the folder.
  void clear() const;

 private:
  explicit Staging(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace matrx::rclone
