#pragma once
// Bytes and inodes that are taken on a disk so that they can be given free when it is full: a file
// whose blocks are all there, and files that are empty. Blocking.

#include <string>

#include "base/error.hpp"

namespace matrx {

class DiskReserve {
 public:
  // A folder of its own.
  explicit DiskReserve(std::string folder) : folder_(std::move(folder)) {}

  // Takes what is missing, where there is plenty. A disk that is getting full is no error.
  Result<void> take() const;

  // True: there was something.
  Result<bool> release() const;
  // The same, only where the disk has next to nothing left without it.
  Result<bool> release_where_full() const;

 private:
  Result<void> take_bytes(std::int64_t bytes) const;
  Result<void> take_inodes(std::int64_t count) const;

  std::string folder_;
};

}  // namespace matrx
