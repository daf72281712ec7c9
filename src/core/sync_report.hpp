#pragma once
// What syncs have moved: for the log and for the metrics.

#include <array>
#include <cstddef>
#include <cstdint>

namespace matrx {

enum class SyncDirection { down, checkpoint, up };
inline constexpr std::array kSyncDirectionNames = {"down", "checkpoint", "up"};

struct SyncReport {
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
  std::size_t left_out = 0;  // nodes that no store can hold
  std::size_t excluded = 0;  // that somebody's settings leave out
  std::size_t held = 0;      // files that programs did not let go
  // After the host was started anew: see core/home_doubts.
  std::size_t kept_stored = 0, kept_beside = 0;
  bool was_needed = true;  // false: nothing had changed
};

// Since the start of this process, by direction.
struct SyncTotals {
  struct Total {
    std::int64_t succeeded = 0, failed = 0, retried = 0;
    std::int64_t objects = 0, bytes = 0, duration_ms = 0;
  };
  std::array<Total, 3> by_direction;

  Total& of(SyncDirection direction) {
    return by_direction.at(static_cast<std::size_t>(direction));
  }
};

}  // namespace matrx
