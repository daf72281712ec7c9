// A form in pieces as the first byte says: whatever the pieces, the same parts come out.

#include <cstdlib>

#include "wire/multipart.hpp"

namespace {

std::string read(std::string_view body, std::size_t piece) {
  matrx::MultipartDecoder decoder("b");
  using Kind = matrx::MultipartEvent::Kind;
  std::string told;
  bool in_part = false;
  while (!body.empty()) {
    decoder.append(body.substr(0, piece));
    body.remove_prefix(std::min(piece, body.size()));
    for (;;) {
      const auto event = decoder.next();
      if (!event) return "broken";  // how far it came may depend on the pieces
      if (!*event) break;
      const auto& e = **event;
      const bool opens = e.kind == Kind::part;
      if (e.kind != Kind::end && opens == in_part) std::abort();  // parts do not nest
      if (e.kind == Kind::data && (e.bytes.empty() || e.bytes.size() > 64 * 1024)) std::abort();
      if (opens) told += "[" + e.name + "|" + e.filename.value_or("-") + ":";
      if (e.kind == Kind::data) told += e.bytes;
      if (e.kind == Kind::part_end) told += "]";
      if (e.kind == Kind::end) told += ".";
      if (opens) in_part = true;
      if (e.kind == Kind::part_end) in_part = false;
    }
  }
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read(bytes, bytes.size() + 1);
  const std::string pieces = read(bytes, data[0] % 16 + std::size_t{1});
  // Data of a part that never ends comes out as far as it cannot be a delimiter: the same.
  if (whole != pieces) std::abort();
  if (const auto boundary = matrx::multipart_boundary(bytes)) {
    if (boundary->empty() || boundary->size() > 70) std::abort();
  }
  (void)matrx::header_parameter(bytes, "filename");
  return 0;
}
