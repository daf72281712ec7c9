#include "base/ids.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace matrx {

std::optional<SandboxId> SandboxId::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sbx-";
  if (text.size() != kPrefix.size() + 12 || !text.starts_with(kPrefix)) return std::nullopt;
  const bool hex = std::ranges::all_of(text.substr(kPrefix.size()), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!hex) return std::nullopt;
  return SandboxId(std::string(text));
}

bool is_valid_user_id(std::string_view text) {
  if (text.empty() || text.size() > kUserIdCharsMax || text == "." || text == "..") return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace matrx
