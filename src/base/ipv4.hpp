#pragma once
// IPv4 addresses and ranges as text.

#include <string_view>

namespace matrx {

bool is_ipv4_address(std::string_view text);  // "a.b.c.d"
bool is_ipv4_range(std::string_view text);    // the same, or "a.b.c.d/n"

// Both as above; false where one of them is not.
bool range_contains(std::string_view range, std::string_view address);

}  // namespace matrx
