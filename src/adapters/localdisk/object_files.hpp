#pragma once
// Objects as files below a folder. Blocking: for a worker thread.
//
// The folder is ours, the names in it are users'. Nothing is followed through a link: every object
// is opened from the folder's descriptor with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).

#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/home_tree.hpp"

namespace matrx {

class ObjectFiles {
 public:
  explicit ObjectFiles(std::string folder) : folder_(std::move(folder)) {}

  Result<HomeTree> list() const;

  // A file that is written beside its place and has not taken its name yet.
  struct Part {
    std::string path, part;
    std::string tag;  // that it will have
  };

  // Takes the bytes of another file; commit() gives all parts their names, discard() drops them.
  Result<Part> write_part(const std::string& path, int source) const;
  // durable: returns when the disk has them.
  Result<void> commit(const std::vector<Part>& parts, bool durable) const;
  void discard(const std::vector<Part>& parts) const;

  // With the folders above it that are empty then. Only where no sandbox can write.
  Result<void> remove(const std::string& path) const;
  Result<std::int64_t> remove_all() const;

  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace matrx
