#include "model/egress.hpp"

#include <algorithm>

#include "base/ipv4.hpp"
#include "base/text.hpp"

namespace matrx {
namespace {

constexpr std::size_t kNameCharsMax = 253, kLabelCharsMax = 63;  // RFC 1035 §2.3.4
constexpr std::string_view kBelow = "*.";

bool is_label(std::string_view label) {
  constexpr std::string_view kTaken = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  return !label.empty() && label.size() <= kLabelCharsMax &&
         label.find_first_not_of(kTaken) == std::string_view::npos;
}

// At least two labels, and no address: what is one but for its range would never be resolved.
bool is_domain(std::string_view text) {
  if (text.starts_with(kBelow)) text.remove_prefix(kBelow.size());
  if (text.size() > kNameCharsMax) return false;
  const auto labels = split(text, '.');
  const bool ends_in_letters =
      labels.back().find_first_not_of("0123456789") != std::string_view::npos;
  return labels.size() >= 2 && ends_in_letters && std::ranges::all_of(labels, is_label);
}

}  // namespace

Result<EgressList> parse_egress_list(const std::vector<std::string>& entries) {
  if (entries.empty()) {
    return fail(Code::invalid, "An allowlist names at least one range or domain.");
  }
  if (entries.size() > kEgressEntriesMax) {
    return fail(Code::invalid,
                "An allowlist has at most " + std::to_string(kEgressEntriesMax) + " entries.");
  }
  EgressList list;
  for (const std::string& entry : entries) {
    const std::string text = to_lower(entry);
    if (is_ipv4_range(text)) {
      list.ranges.push_back(text);
    } else if (is_domain(text)) {
      list.domains.push_back(text);
    } else {
      const std::string named = entry.size() <= kNameCharsMax ? "'" + entry + "'" : "A long entry";
      return fail(Code::invalid,
                  named +
                      " is neither an IPv4 range like 192.0.2.0/24, nor a domain like pypi.org, "
                      "nor *.pypi.org for what is below it.");
    }
  }
  return list;
}

bool allows_name(const EgressList& list, std::string_view name) {
  return std::ranges::any_of(list.domains, [name](std::string_view domain) {
    if (!domain.starts_with(kBelow)) return name == domain;
    return name.size() > domain.size() - 1 && name.ends_with(domain.substr(1));
  });
}

}  // namespace matrx
