#include "wire/connect_envelope.hpp"

#include <array>

#include "base/text.hpp"
#include "wire/json.hpp"
#include "wire/json_text.hpp"

namespace matrx::connect {
namespace {

struct CodeRow {
  std::string_view word;
  int status;
  Code code;
  bool is_first;  // of its Code: what we send for it
};

constexpr std::array<CodeRow, 16> kCodes = {{
    {"invalid_argument", 400, Code::invalid, true},
    {"out_of_range", 400, Code::invalid, false},
    {"failed_precondition", 400, Code::conflict, false},
    {"unauthenticated", 401, Code::unauthenticated, true},
    {"permission_denied", 403, Code::forbidden, true},
    {"not_found", 404, Code::not_found, true},
    {"already_exists", 409, Code::conflict, true},
    {"aborted", 409, Code::conflict, false},
    {"resource_exhausted", 429, Code::exhausted, true},
    {"canceled", 499, Code::cancelled, true},
    {"unknown", 500, Code::internal, false},
    {"internal", 500, Code::internal, true},
    {"data_loss", 500, Code::internal, false},
    {"unimplemented", 501, Code::invalid, false},
    {"unavailable", 503, Code::unavailable, true},
    {"deadline_exceeded", 504, Code::timeout, true},
}};

const CodeRow* find_word(std::string_view word) {
  for (const CodeRow& row : kCodes) {
    if (row.word == word) return &row;
  }
  return nullptr;
}

std::string_view word_of(Code code) {
  if (code == Code::gone) return "not_found";
  if (code == Code::too_large) return "resource_exhausted";
  for (const CodeRow& row : kCodes) {
    if (row.code == code && row.is_first) return row.word;
  }
  return "internal";
}

std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  text = text.substr(0, bytes_max);
  while (!text.empty() && !utf8_length(text)) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string encode(std::string_view payload, std::uint8_t flags) {
  std::string bytes;
  bytes.reserve(kPrefixBytes + payload.size());
  bytes += static_cast<char>(flags);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes += static_cast<char>(payload.size() >> shift & 0xFF);
  }
  bytes += payload;
  return bytes;
}

void Decoder::feed(std::string_view bytes) {
  if (error_) return;
  if (begin_ > 0) {
    bytes_.erase(0, begin_);
    begin_ = 0;
  }
  bytes_ += bytes;
}

Result<std::optional<Envelope>> Decoder::next() {
  if (error_) return std::unexpected(*error_);
  const std::string_view rest = std::string_view(bytes_).substr(begin_);
  if (rest.size() < kPrefixBytes) return std::nullopt;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const std::uint8_t flags = byte(0);
  std::size_t length = 0;
  for (std::size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | byte(i);
  if ((flags & ~kEndFlag) != 0) {
    error_ = Error{Code::invalid, "The stream has a compressed or unknown envelope.", {}};
  } else if (length > payload_bytes_max_) {
    error_ = Error{Code::too_large, "The stream has too large an envelope.", {}};
  }
  if (error_) return std::unexpected(*error_);
  if (rest.size() - kPrefixBytes < length) return std::nullopt;
  begin_ += kPrefixBytes + length;
  return Envelope{flags, std::string(rest.substr(kPrefixBytes, length))};
}

RpcError to_rpc_error(const Error& error) {
  return {std::string(word_of(error.code)), error.message};
}

Error to_error(const RpcError& error) {
  const CodeRow* row = find_word(error.code);
  return {row ? row->code : Code::internal, error.message, {}};
}

int status_of(std::string_view code) {
  const CodeRow* row = find_word(code);
  return row ? row->status : 500;
}

std::string encode_error(const RpcError& error) {
  std::string text;
  json::ObjectWriter(text)
      .text("code", error.code)
      .text("message", to_valid_utf8(error.message))
      .end();
  return text;
}

std::optional<RpcError> decode_error(std::string_view body) {
  const auto parsed = json::parse(body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& members = parsed->get_object();
  const auto code = json::text_at(members, "code");
  if (find_word(code) == nullptr) return std::nullopt;
  return RpcError{std::string(code),
                  std::string(cut(json::text_at(members, "message"), kMessageBytesMax))};
}

std::string encode_end(const std::optional<RpcError>& error) {
  std::string text;
  json::ObjectWriter writer(text);
  if (error) writer.raw("error", encode_error(*error));
  writer.end();
  return encode(text, kEndFlag);
}

}  // namespace matrx::connect
