#pragma once
// What a sandbox may reach.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace matrx {

// open: the internet without private networks. allowlist: of that only what its list names. none:
// nothing at all but itself.
enum class Egress { open, allowlist, none };

inline constexpr std::size_t kEgressEntriesMax = 64;  // of one list

struct EgressList {
  std::vector<std::string> ranges;   // IPv4: "192.0.2.7", "192.0.2.0/24"
  std::vector<std::string> domains;  // lower case: "pypi.org", "*.pypi.org" (what is below it)
};

// invalid: an entry that is neither a range nor a domain, too many of them, or none.
Result<EgressList> parse_egress_list(const std::vector<std::string>& entries);

// Does the list name this host? name: lower case, without a dot at the end.
bool allows_name(const EgressList& list, std::string_view name);

}  // namespace matrx
