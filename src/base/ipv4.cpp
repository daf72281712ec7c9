#include "base/ipv4.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

#include "base/text.hpp"

namespace matrx {
namespace {

constexpr std::size_t kDigitsMax = 3;
constexpr int kBits = 32;

// No zeros in front: for some programs they begin an octal number.
std::optional<int> small_number(std::string_view text) {
  int number = -1;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > kDigitsMax || number < 0) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return number;
}

std::optional<std::uint32_t> parse_address(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  std::uint32_t address = 0;
  for (const std::string_view part : parts) {
    const auto number = small_number(part);
    if (!number || *number > 255) return std::nullopt;
    address = address << 8U | static_cast<std::uint32_t>(*number);
  }
  return address;
}

struct Range {
  std::uint32_t address = 0;
  int bits = kBits;  // of it that count
};

std::optional<Range> parse_range(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Range{*address, kBits};
  const auto bits = small_number(text.substr(slash + 1));
  if (!bits || *bits > kBits) return std::nullopt;
  return Range{*address, *bits};
}

}  // namespace

bool is_ipv4_address(std::string_view text) { return parse_address(text).has_value(); }
bool is_ipv4_range(std::string_view text) { return parse_range(text).has_value(); }

bool range_contains(std::string_view range, std::string_view address) {
  const auto whole = parse_range(range);
  const auto one = parse_address(address);
  if (!whole || !one) return false;
  if (whole->bits == 0) return true;
  const auto shift = static_cast<unsigned>(kBits - whole->bits);
  return whole->address >> shift == *one >> shift;
}

}  // namespace matrx
