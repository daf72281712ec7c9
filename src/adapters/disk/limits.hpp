#pragma once
// Bounds of what is kept back on a disk, and of looks at what sandboxes take of it.

#include <cstddef>
#include <cstdint>

namespace matrx {

// Journals and lists of many homes, or a copy of the largest file of most of them.
inline constexpr std::int64_t kReserveBytesMax = 64LL * 1024 * 1024;
inline constexpr std::int64_t kReserveInodesMax = 256;
inline constexpr std::int64_t kReserveShare = 64;  // of a small disk: one part in so many
inline constexpr std::int64_t kReservePlenty = 4;  // so many times itself must be free before
inline constexpr std::int64_t kStartBytes = 16LL * 1024 * 1024;  // what a start may have to write
inline constexpr std::uint64_t kStartInodes = 64;
inline constexpr std::size_t kUseNodesMax = 50'000;    // of one sandbox, in one look
inline constexpr std::size_t kUseFoldersMax = 10'000;  // of these, still to be looked into

}  // namespace matrx
