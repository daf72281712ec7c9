// An archive in pieces as the first byte says: whatever the pieces, the same comes out. What came
// out can be written and read again.

#include <cstdlib>
#include <vector>

#include "wire/tar.hpp"

namespace {

using matrx::TarEntry;
using matrx::TarEvent;

struct Read {
  std::vector<TarEntry> entries;
  std::string data;
  bool ended = false, at_rest = false, broken = false;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view bytes, std::size_t piece) {
  matrx::TarReader reader;
  Read read;
  std::uint64_t announced = 0;
  while (!bytes.empty()) {
    reader.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        read.broken = true;
        return read;
      }
      if (!*event) break;
      if (read.ended) std::abort();
      const TarEvent& e = **event;
      if (e.kind == TarEvent::Kind::entry) {
        if (e.entry.size > 0 && e.entry.kind != TarEntry::Kind::file) std::abort();
        announced = e.entry.size;
        read.entries.push_back(e.entry);
      }
      if (e.kind == TarEvent::Kind::data) {
        if (e.bytes.empty() || e.bytes.size() > announced) std::abort();
        announced -= e.bytes.size();
        read.data += e.bytes;
      }
      read.ended = e.kind == TarEvent::Kind::end;
    }
  }
  read.at_rest = reader.at_rest();
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Read whole = read(bytes, bytes.size() + 1);
  if (read(bytes, 1 + data[0] * std::size_t{7}) != whole) std::abort();
  for (TarEntry entry : whole.entries) {
    const bool odd = entry.kind == TarEntry::Kind::other || entry.path.empty() ||
                     entry.path.find('\0') != std::string::npos || entry.path.ends_with('/') ||
                     entry.link_target.find('\0') != std::string::npos || entry.uid > 07777777 ||
                     entry.gid > 07777777;
    if (odd) continue;
    if (entry.kind == TarEntry::Kind::folder) entry.path += '/';
    const Read again = read(matrx::tar_header(entry), 512);
    if (again.entries.size() != 1 || again.entries[0] != entry) std::abort();
  }
  return 0;
}
