#include "wire/access_name.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.hpp"

namespace matrx {
namespace {

constexpr std::size_t kAccessNameCharsMax = 80;

bool is_proof(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == kAccessProofChars && std::ranges::all_of(text, is_digit);
}

}  // namespace

std::string encode_access_name(const AccessName& name) {
  return name.sandbox.text() + "." + std::to_string(name.expires_at.time_since_epoch().count()) +
         "." + name.proof;
}

std::optional<AccessName> decode_access_name(std::string_view text) {
  if (text.size() > kAccessNameCharsMax) return std::nullopt;
  const auto parts = split(text, '.');
  if (parts.size() != 3 || !is_proof(parts[2])) return std::nullopt;
  const auto sandbox = SandboxId::parse(parts[0]);
  std::int64_t ends = 0;
  const char* last = parts[1].data() + parts[1].size();
  const auto [stopped, ec] = std::from_chars(parts[1].data(), last, ends);
  if (!sandbox || ec != std::errc() || stopped != last || ends < 0) return std::nullopt;
  AccessName name{.sandbox = *sandbox,
                  .expires_at = std::chrono::sys_seconds(std::chrono::seconds(ends)),
                  .proof = std::string(parts[2])};
  if (encode_access_name(name) != text) return std::nullopt;  // leading zeros
  return name;
}

}  // namespace matrx
