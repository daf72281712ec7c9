#pragma once
// Where randomness comes from. Passed by constructor so that a simulation can replay it.

#include <cstddef>
#include <random>
#include <span>
#include <string>

namespace matrx {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<unsigned char> out) = 0;

  // Lower-case hexadecimal text of `bytes` random bytes (two characters a byte).
  std::string hex(std::size_t bytes);
};

// The kernel's generator (getrandom). Fit for keys.
class SystemRandom : public Random {
 public:
  void fill(std::span<unsigned char> out) override;
};

// The same bytes for the same seed. For tests and simulation only.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<unsigned char> out) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace matrx
