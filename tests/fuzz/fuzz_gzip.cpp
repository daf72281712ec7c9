// Packed bytes in pieces as the first byte says: whatever the pieces, the same comes out; and what
// is packed here is unpacked again.

#include <cstdlib>

#include "wire/gzip.hpp"

namespace {

constexpr std::size_t kPlainMax = 1 << 20;

struct Read {
  std::string plain;
  bool good = true;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view packed, std::size_t piece) {
  matrx::Gunzip gunzip;
  Read read;
  while (!packed.empty() && read.plain.size() < kPlainMax) {
    gunzip.give(packed.substr(0, piece));
    packed.remove_prefix(std::min(piece, packed.size()));
    while (read.plain.size() < kPlainMax) {
      const auto next = gunzip.next(1000);
      if (!next) return {.plain = "", .good = false};
      if (next->size() > 1000) std::abort();
      if (next->empty()) break;
      read.plain += *next;
    }
  }
  read.good = gunzip.complete();
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Read whole = read(bytes, bytes.size() + 1);
  if (whole.plain.size() < kPlainMax && read(bytes, data[0] + std::size_t{1}) != whole)
    std::abort();
  matrx::Gzip gzip;
  std::string packed = gzip.take(bytes, false);
  packed += gzip.take({}, true);
  const Read back = read(packed, 7);
  if (back.plain != bytes || !back.good) std::abort();
  return 0;
}
