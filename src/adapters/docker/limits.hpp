#pragma once
// Limits of the firewall and of allowlists.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace matrx::docker {

inline constexpr std::chrono::seconds kFirewallDeadline{15};  // a handful of calls of iptables
inline constexpr std::chrono::seconds kFirewallLockWait{5};   // others hold its lock for moments
inline constexpr std::size_t kNameserversMax = 8;             // the C library asks three
inline constexpr std::size_t kEgressRangesMax = 64;           // each is a rule that packets pass
inline constexpr int kConnectionsMax = 4096;  // of one sandbox; the kernel's table is everybody's
inline constexpr int kNewConnectionsPerSecond = 500;  // of one sandbox, and a burst of
inline constexpr int kNewConnectionsBurst = 2000;

// --- Allowlists ----------------------------------------------------------------------------------
inline constexpr std::size_t kLearnedMax = 256;      // addresses of one sandbox's domains
inline constexpr std::size_t kNameQueriesMax = 256;  // being answered; more are lost
inline constexpr std::size_t kNameAnswerBytes =
    1232;  // passes every path whole (DNS flag day 2020)
inline constexpr std::uint32_t kNameTtlSeconds = 60;
inline constexpr std::chrono::seconds kNameWarnPause{10};    // between two lines of the log
inline constexpr std::size_t kNameQueriesOfOneMax = 8;       // of these, of one sandbox
inline constexpr std::chrono::milliseconds kNamePause{100};  // where nothing can be received
inline constexpr std::chrono::seconds kNameDeadline{2};      // one name server's answer
inline constexpr std::size_t kNameTriesMax = 3;              // name servers asked for one name
inline constexpr std::chrono::seconds kNameServerRetry{2};   // our port 53 is somebody else's
inline constexpr std::chrono::seconds kNameServerWait{5};    // a create waits for our name server

}  // namespace matrx::docker
