#pragma once
// How long a test waits at most, or gives something that must get going before its own limit ends
// it. Such a limit tells a wait from one without end and measures nothing, so it grows with the
// slowness of the machine: tools/slowness.py, asked once by who starts the tests.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace matrx {

inline double slowness() {
  const char* text = std::getenv("MATRX_TEST_SLOWNESS");
  return std::max(1.0, text != nullptr ? std::strtod(text, nullptr) : 1.0);
}

// What takes so long on a quiet machine, on this one.
inline std::chrono::milliseconds patience(std::chrono::milliseconds quiet) {
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(quiet.count()) * slowness()));
}

// How often to look, where that many looks are enough on a quiet machine.
inline int patience(int looks) { return static_cast<int>(looks * slowness()); }

}  // namespace matrx
