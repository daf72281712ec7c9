#pragma once
// Objects as files below a folder. Blocking: for a worker thread.
//
// The folder is ours, the names in it are users'. Nothing is followed through a link: every object
// is opened from the folder's descriptor with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).

#include <string>

#include "base/error.hpp"
#include "model/home_tree.hpp"

namespace matrx {

class ObjectFiles {
 public:
  explicit ObjectFiles(std::string folder) : folder_(std::move(folder)) {}

  Result<HomeTree> list() const;

  // Takes the bytes of another file, written beside and then renamed; answers the new tag.
  Result<std::string> put(const std::string& path, int source) const;

  Result<void> remove(
      const std::string& path) const;  // and the folders above it that are empty now
  Result<std::int64_t> remove_all() const;

  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace matrx
