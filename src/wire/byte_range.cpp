#include "wire/byte_range.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace matrx {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "q=0", "q=0.000"
bool is_refused(std::string_view parameters) {
  for (std::string_view parameter : split(parameters, ';')) {
    parameter = trim(parameter);
    if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) continue;
    return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

}  // namespace

RangeAnswer parse_range(std::string_view header, std::uint64_t size) {
  using Kind = RangeAnswer::Kind;
  constexpr std::string_view kUnit = "bytes=";
  if (!equals_ignoring_case(header.substr(0, kUnit.size()), kUnit)) return {};
  const auto text = trim(header.substr(kUnit.size()));
  const auto dash = text.find('-');
  if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) return {};
  const auto from = trim(text.substr(0, dash)), to = trim(text.substr(dash + 1));
  if (from.empty()) {  // the last so many
    const auto count = parse_number(to);
    if (!count) return {};
    if (*count == 0 || size == 0) return {.kind = Kind::unsatisfiable, .range = {}};
    const std::uint64_t taken = std::min(*count, size);
    return {.kind = Kind::part, .range = {.first = size - taken, .count = taken}};
  }
  const auto first = parse_number(from), last = to.empty() ? size : parse_number(to);
  if (!first || !last || (!to.empty() && *last < *first)) return {};
  if (*first >= size) return {.kind = Kind::unsatisfiable, .range = {}};
  const std::uint64_t end = *last >= size ? size : *last + 1;
  return {.kind = Kind::part, .range = {.first = *first, .count = end - *first}};
}

AcceptedEncodings parse_accept_encoding(std::string_view header) {
  AcceptedEncodings accepted;
  bool named_others = false, identity_named = false, rest_refused = false;
  for (std::string_view item : split(header, ',')) {
    const auto semicolon = item.find(';');
    const auto name = trim(item.substr(0, semicolon));
    const bool refused =
        semicolon != std::string_view::npos && is_refused(item.substr(semicolon + 1));
    if (name.empty()) continue;
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
      accepted.gzip = !refused;
      continue;
    }
    if (equals_ignoring_case(name, "identity")) {
      identity_named = true;
      accepted.identity = !refused;
    }
    if (name == "*") rest_refused = refused;
    if (!refused) named_others = true;
  }
  if (rest_refused && !identity_named) accepted.identity = false;
  accepted.only_gzip = accepted.gzip && !named_others;
  return accepted;
}

}  // namespace matrx
