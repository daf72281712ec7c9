#pragma once
// Limits of the firewall.

#include <chrono>
#include <cstddef>

namespace matrx::docker {

inline constexpr std::chrono::seconds kFirewallDeadline{15};  // a handful of calls of iptables
inline constexpr std::chrono::seconds kFirewallLockWait{5};   // others hold its lock for moments
inline constexpr std::size_t kNameserversMax = 8;             // the C library asks three
inline constexpr std::size_t kEgressRangesMax = 64;           // each is a rule that packets pass

}  // namespace matrx::docker
