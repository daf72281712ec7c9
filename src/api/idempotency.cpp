#include "api/idempotency.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return hex_encode(std::span(digest).first(size));
}

bool is_sane(std::string_view key) {
  const auto is_visible = [](char c) { return c > ' ' && c <= '~'; };
  return key.size() <= kIdempotencyKeyCharsMax && std::ranges::all_of(key, is_visible);
}

}  // namespace

Result<std::optional<IdempotencyKey>> idempotency_key_of(const Context& context) {
  const auto key = context.request.headers.get("Idempotency-Key");
  if (key.empty()) return std::optional<IdempotencyKey>();
  if (!is_sane(key)) {
    return fail(Code::invalid, "Idempotency-Key takes 1 to 255 visible ASCII characters.");
  }
  TRY(body, json::parse(context.request.body));
  return std::optional<IdempotencyKey>(
      {std::string(key), sha256_hex(boost::json::serialize(body))});
}

}  // namespace matrx::api
