#include "base/memory.hpp"

#include <malloc.h>

namespace matrx {
namespace {

constexpr int kHeapsMax = 2;               // the I/O thread's, and the workers'
constexpr int kOwnPagesMin = 1024 * 1024;  // bytes; as large as that is mapped by itself
constexpr std::size_t kPiecesKeptMax = 20'000;
constexpr int kFreeAtTopMax = 4 * 1024 * 1024;  // bytes; more goes back at once

}  // namespace

void keep_little_memory() {
  // By default each thread gets a heap of its own, and what one has freed serves no other.
  ::mallopt(M_ARENA_MAX, kHeapsMax);
  // By default this limit moves up to 32 MiB with what is freed: the texts of large manifests
  // would lie among small pieces, and leave holes.
  ::mallopt(M_MMAP_THRESHOLD, kOwnPagesMin);
  ::mallopt(M_TRIM_THRESHOLD, kFreeAtTopMax);
}

void give_back_memory(std::size_t pieces) {
  if (pieces > kPiecesKeptMax) ::malloc_trim(0);
}

}  // namespace matrx
