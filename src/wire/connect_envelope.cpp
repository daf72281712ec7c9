#include "wire/connect_envelope.hpp"

#include <array>

namespace matrx {
namespace {

constexpr std::size_t kPrefixBytes = 5;

struct Row {
  Code code;
  std::string_view word;
  int status;
};

// The first row of a code, and the first one of a word, is the one that counts.
constexpr std::array<Row, 14> kRows = {{
    {Code::invalid, "invalid_argument", 400},
    {Code::unauthenticated, "unauthenticated", 401},
    {Code::forbidden, "permission_denied", 403},
    {Code::not_found, "not_found", 404},
    {Code::conflict, "failed_precondition", 400},
    {Code::conflict, "already_exists", 409},
    {Code::unavailable, "unavailable", 503},
    {Code::gone, "unavailable", 503},
    {Code::exhausted, "resource_exhausted", 429},
    {Code::too_large, "resource_exhausted", 429},
    {Code::timeout, "deadline_exceeded", 504},
    {Code::unsupported, "unimplemented", 501},
    {Code::cancelled, "canceled", 499},
    {Code::internal, "internal", 500},
}};

}  // namespace

std::string encode_envelope(std::uint8_t flags, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string bytes;
  bytes.reserve(kPrefixBytes + text.size());
  bytes += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 0xFF);
  bytes += text;
  return bytes;
}

Result<std::optional<ConnectEnvelope>> EnvelopeDecoder::next() {
  if (buffer_.size() < kPrefixBytes) return std::nullopt;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(buffer_[i]));
  };
  const std::uint32_t size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  if (size > text_bytes_max_) return fail(Code::too_large, "The message is too large.");
  const auto flags = static_cast<std::uint8_t>(byte(0));
  if (flags & ConnectEnvelope::kCompressed) {
    return fail(Code::invalid, "Compressed messages are not supported.");
  }
  if (buffer_.size() < kPrefixBytes + size) return std::nullopt;
  ConnectEnvelope envelope{.flags = flags, .text = buffer_.substr(kPrefixBytes, size)};
  buffer_.erase(0, kPrefixBytes + size);
  return envelope;
}

std::string_view connect_code(Code code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row.word;
  }
  return "unknown";
}

int connect_status(Code code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row.status;
  }
  return 500;
}

Code code_from_connect(std::string_view word) {
  if (word == connect_code(Code::exhausted)) return Code::exhausted;  // too_large has it as well
  for (const Row& row : kRows) {
    if (row.word == word) return row.code;
  }
  return Code::internal;
}

}  // namespace matrx
