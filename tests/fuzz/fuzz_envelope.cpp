// Bytes of a Connect stream, in pieces as the first byte says: whatever the pieces, the same
// messages come out.

#include <cstdlib>
#include <vector>

#include "wire/connect_envelope.hpp"

namespace {

struct Read {
  std::vector<std::string> messages;
  bool failed = false;
  bool operator==(const Read&) const = default;
};

Read read_in_pieces(std::string_view bytes, std::size_t piece) {
  matrx::EnvelopeDecoder decoder(1000);
  Read read;
  while (!bytes.empty()) {
    decoder.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      auto message = decoder.next();
      if (!message) {
        read.failed = true;
        return read;
      }
      if (!*message) break;
      if ((*message)->text.size() > 1000) std::abort();
      read.messages.push_back(static_cast<char>((*message)->flags) + (*message)->text);
    }
  }
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Read whole = read_in_pieces(bytes, bytes.size() + 1);
  if (read_in_pieces(bytes, data[0] + std::size_t{1}) != whole) std::abort();
  return 0;
}
