#pragma once
// Messages of a Connect stream: one byte of flags, four of length (big endian), the JSON text.
// https://connectrpc.com/docs/protocol

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace matrx {

struct ConnectEnvelope {
  static constexpr std::uint8_t kCompressed = 0x01;
  static constexpr std::uint8_t kEndOfStream = 0x02;

  std::uint8_t flags = 0;
  std::string text;
};

std::string encode_envelope(std::uint8_t flags, std::string_view text);

// Takes bytes in pieces of any size.
class EnvelopeDecoder {
 public:
  explicit EnvelopeDecoder(std::size_t text_bytes_max) : text_bytes_max_(text_bytes_max) {}

  void append(std::string_view bytes) { buffer_ += bytes; }

  // The next complete message, if there is one. too_large: it announces more than allowed;
  // invalid: compressed, which was not agreed on. Nothing can follow an error.
  Result<std::optional<ConnectEnvelope>> next();

  // True where bytes of an incomplete message are left.
  bool has_rest() const { return !buffer_.empty(); }

 private:
  std::size_t text_bytes_max_;
  std::string buffer_;
};

// The words of the protocol for our codes, and their HTTP status (unary calls).
std::string_view connect_code(Code code);
int connect_status(Code code);
Code code_from_connect(std::string_view word);

}  // namespace matrx
