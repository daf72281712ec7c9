#pragma once
// The framing of the Connect protocol: streams of envelopes, and its error words.
// An envelope is 1 byte of flags, 4 bytes of length (big-endian), then JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace matrx::connect {

inline constexpr std::uint8_t kCompressedFlag = 0x01;  // we never accept it
inline constexpr std::uint8_t kEndFlag = 0x02;         // the last one of a stream
inline constexpr std::size_t kPrefixBytes = 5;

struct Envelope {
  std::uint8_t flags = 0;
  std::string payload;
  bool is_end() const { return (flags & kEndFlag) != 0; }
};

std::string encode(std::string_view payload, std::uint8_t flags = 0);

// Takes bytes in pieces of any size. After an error every answer is that error.
class Decoder {
 public:
  explicit Decoder(std::size_t payload_bytes_max) : payload_bytes_max_(payload_bytes_max) {}

  void feed(std::string_view bytes);

  // The next whole envelope, nothing where bytes are missing. too_large: longer than allowed.
  // invalid: compressed, or unknown flags.
  Result<std::optional<Envelope>> next();

  // False inside of an envelope: a stream that ends there was cut off.
  bool is_between() const { return begin_ == bytes_.size(); }

 private:
  std::size_t payload_bytes_max_;
  std::string bytes_;
  std::size_t begin_ = 0;  // used up to here
  std::optional<Error> error_;
};

// --- Errors ------------------------------------------------------------------------------------
struct RpcError {
  std::string code;  // "not_found", "invalid_argument", …
  std::string message;
};

RpcError to_rpc_error(const Error& error);
Error to_error(const RpcError& error);  // unknown words become internal

// The HTTP status of a unary answer with that code.
int status_of(std::string_view code);

// {"code":…,"message":…}: the body of a failed unary call.
std::string encode_error(const RpcError& error);

// Reads such a body; nothing where it is not one. The message is cut to kMessageBytesMax.
inline constexpr std::size_t kMessageBytesMax = 4096;
std::optional<RpcError> decode_error(std::string_view body);

// The envelope that ends a stream: {} or {"error":{…}}.
std::string encode_end(const std::optional<RpcError>& error = std::nullopt);

}  // namespace matrx::connect
