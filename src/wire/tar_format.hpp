#pragma once
// A header of a tar archive as it lies there.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace matrx {

inline constexpr std::size_t kTarBlockBytes = 512;

struct TarBlock {
  char name[100], mode[8], uid[8], gid[8], size[12], modified[12], checksum[8], type, link[100];
  char magic[8];  // "ustar\0" and "00"; GNU: "ustar  \0"
  char user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
static_assert(sizeof(TarBlock) == kTarBlockBytes);

// The sum of all bytes, with blanks for those of the checksum itself.
inline std::uint64_t tar_checksum(std::string_view block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= offsetof(TarBlock, checksum) &&
                     i < offsetof(TarBlock, checksum) + sizeof(TarBlock::checksum);
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

}  // namespace matrx
