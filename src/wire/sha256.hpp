#pragma once
// SHA-256 (FIPS 180-4), for the guest agent: it links no OpenSSL, which would make it five times
// as large. For signatures of URLs, not for anything secret by its time.

#include <array>
#include <cstdint>
#include <string_view>

namespace matrx {

std::array<unsigned char, 32> sha256(std::string_view bytes);

}  // namespace matrx
