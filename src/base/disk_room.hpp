#pragma once
// How much of a disk those who work on it leave free.

#include <algorithm>
#include <cstdint>

namespace matrx {

// One part in twenty is for others. On a large disk that would be a fortune that nobody may use:
// some gigabytes are enough for whatever has to be written while somebody looks after it.
inline constexpr std::int64_t kDiskLeftShare = 20;
inline constexpr std::int64_t kDiskLeftBytesMax = 8LL << 30;

inline constexpr std::int64_t kStatBlockBytes = 512;  // stat(2) counts blocks of these

constexpr std::int64_t left_to_others(std::int64_t bytes_total) {
  return std::min(bytes_total / kDiskLeftShare, kDiskLeftBytesMax);
}

}  // namespace matrx
