#include <algorithm>
#include <cstring>

#include "wire/tar.hpp"
#include "wire/tar_format.hpp"

namespace matrx {
namespace {

using Kind = TarEntry::Kind;

char type_of(Kind kind) {
  switch (kind) {
    case Kind::folder:
      return '5';
    case Kind::symlink:
      return '2';
    case Kind::hard_link:
      return '1';
    default:
      return '0';
  }
}

// Octal digits and a NUL; false where it does not fit.
bool put_octal(char* field, std::size_t bytes, std::uint64_t number) {
  field[bytes - 1] = '\0';
  for (std::size_t i = bytes - 1; i-- > 0;) {
    field[i] = static_cast<char>('0' + (number & 7));
    number >>= 3;
  }
  return number == 0;
}

std::string block(std::string_view path, std::string_view link, char type, std::uint64_t size,
                  const TarEntry& entry) {
  TarBlock header{};
  path.substr(0, sizeof header.name).copy(header.name, sizeof header.name);
  link.substr(0, sizeof header.link).copy(header.link, sizeof header.link);
  put_octal(header.mode, sizeof header.mode, entry.mode & 07777);
  if (!put_octal(header.uid, sizeof header.uid, entry.uid)) {
    put_octal(header.uid, sizeof header.uid, 0);
  }
  if (!put_octal(header.gid, sizeof header.gid, entry.gid)) {
    put_octal(header.gid, sizeof header.gid, 0);
  }
  if (!put_octal(header.size, sizeof header.size, size)) {
    put_octal(header.size, sizeof header.size, 0);
  }
  const auto modified = static_cast<std::uint64_t>(std::max<std::int64_t>(0, entry.modified));
  if (!put_octal(header.modified, sizeof header.modified, modified)) {
    put_octal(header.modified, sizeof header.modified, 0);
  }
  header.type = type;
  std::memcpy(header.magic, "ustar\00000", sizeof header.magic);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  put_octal(bytes.data() + offsetof(TarBlock, checksum), 7, tar_checksum(bytes));
  return bytes;
}

// "30 path=…\n": the length counts its own digits.
std::string pax_record(std::string_view name, std::string_view value) {
  const std::size_t rest = name.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) {
    length = std::to_string(length).size() + rest;
  }
  std::string record = std::to_string(length) + " ";
  record.append(name).append("=").append(value).append("\n");
  return record;
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
  std::string path = entry.path;
  if (entry.kind == Kind::folder && !path.ends_with('/')) path += '/';
  const std::uint64_t size = entry.kind == Kind::file ? entry.size : 0;
  constexpr std::uint64_t kOctalMax = 077777777777;
  std::string extras;
  if (path.size() > sizeof(TarBlock::name)) extras += pax_record("path", path);
  if (entry.link_target.size() > sizeof(TarBlock::link)) {
    extras += pax_record("linkpath", entry.link_target);
  }
  if (size > kOctalMax) extras += pax_record("size", std::to_string(size));
  if (entry.modified < 0 || entry.modified > static_cast<std::int64_t>(kOctalMax)) {
    extras += pax_record("mtime", std::to_string(entry.modified));
  }
  std::string bytes;
  if (!extras.empty()) {
    bytes = block("pax-header", "", 'x', extras.size(), {.mode = 0644}) + extras +
            tar_padding(extras.size());
  }
  return bytes + block(path, entry.link_target, type_of(entry.kind), size, entry);
}

std::string tar_padding(std::uint64_t size) {
  const auto rest = static_cast<std::size_t>(size % kTarBlockBytes);
  return std::string(rest == 0 ? 0 : kTarBlockBytes - rest, '\0');
}

std::string tar_end() { return std::string(2 * kTarBlockBytes, '\0'); }

}  // namespace matrx
