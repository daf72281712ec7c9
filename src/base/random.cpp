#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/text.hpp"

namespace matrx {

std::string Random::hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  fill(raw);
  return hex_encode(raw);
}

void SystemRandom::fill(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();  // without randomness no id is unique and no key is secret
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void SeededRandom::fill(std::span<unsigned char> out) {
  for (unsigned char& byte : out) byte = static_cast<unsigned char>(engine_());
}

}  // namespace matrx
