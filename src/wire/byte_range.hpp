#pragma once
// The header Range (RFC 9110 §14), and what a client accepts as Content-Encoding (§12.5.3).

#include <cstdint>
#include <optional>
#include <string_view>

namespace matrx {

struct ByteRange {
  std::uint64_t first = 0, count = 0;
  bool operator==(const ByteRange&) const = default;
};

struct RangeAnswer {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  ByteRange range;  // of a part
};

// Of one range. Several, other units and what is broken mean the whole, as if nothing was said.
RangeAnswer parse_range(std::string_view header, std::uint64_t size);

struct AcceptedEncodings {
  bool identity = true;
  bool gzip = false;
  bool only_gzip = false;  // it names gzip and nothing else
};
AcceptedEncodings parse_accept_encoding(std::string_view header);

}  // namespace matrx
