#pragma once
// Points in time as the registry keeps them: UTC, whole milliseconds.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace matrx {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using TimePoint = std::chrono::sys_time<milliseconds>;

// "2026-11-21T08:15:30.123Z" (RFC 3339).
std::string to_rfc3339(TimePoint at);

// Accepts what to_rfc3339 gives, and any number of fraction digits (Docker sends nine).
std::optional<TimePoint> from_rfc3339(std::string_view text);

inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

inline std::int64_t to_unix_ms(TimePoint at) { return at.time_since_epoch().count(); }
inline TimePoint from_unix_ms(std::int64_t ms) { return TimePoint(milliseconds(ms)); }

}  // namespace matrx
