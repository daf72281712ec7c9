#include "base/ipv4.hpp"

#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace matrx {
namespace {

constexpr std::size_t kDigitsMax = 3;

std::optional<int> small_number(std::string_view text) {
  int number = -1;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > kDigitsMax || number < 0) return std::nullopt;
  return number;
}

}  // namespace

bool is_ipv4_address(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (const std::string_view part : parts) {
    if (small_number(part).value_or(256) > 255) return false;
  }
  return true;
}

bool is_ipv4_range(std::string_view text) {
  const auto slash = text.find('/');
  if (!is_ipv4_address(text.substr(0, slash))) return false;
  if (slash == std::string_view::npos) return true;
  return small_number(text.substr(slash + 1)).value_or(33) <= 32;
}

}  // namespace matrx
