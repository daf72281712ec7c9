#pragma once
// Messages of the domain name system (RFC 1035), as far as a name server for sandboxes needs them.
// Queries come from sandboxes, answers from name servers of anybody: all of it is hostile. Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace matrx::docker {

inline constexpr std::size_t kDnsMessageBytesMax = 4096;  // what resolvers take over UDP at most
inline constexpr std::size_t kDnsPlainBytesMax = 512;     // without EDNS (RFC 1035 §4.2.1)
inline constexpr std::size_t kDnsRecordsMax = 128;   // of an answer; a long chain has some dozens
inline constexpr std::size_t kDnsAddressesMax = 32;  // of one name; clients try the first few

inline constexpr std::uint16_t kDnsTypeA = 1;
inline constexpr std::uint16_t kDnsTypeCname = 5;
inline constexpr std::uint16_t kDnsTypeAaaa = 28;
inline constexpr std::uint16_t kDnsTypeSvcb = 64;
inline constexpr std::uint16_t kDnsTypeHttps = 65;
inline constexpr std::uint16_t kDnsTypeAny = 255;

enum class DnsCode : std::uint8_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  no_such_name = 3,
  not_implemented = 4,
  refused = 5,
};

struct DnsQuestion {
  std::uint16_t id = 0;
  std::string name;  // 1 to 253 of a-z, 0-9, '-', '_' and dots between labels; no last dot
  std::uint16_t type = 0;
  bool wants_recursion = false;
  std::size_t end = 0;  // offset of the first byte behind the question
};

// A standard query with one question of class IN and no records but additional ones (EDNS), which
// are not looked at. invalid: anything else.
Result<DnsQuestion> read_dns_question(std::string_view packet);

// An answer without records. question is what read_dns_question made of query; its bytes are
// repeated as they came, since some clients compare the case of letters.
std::string write_dns_reply(std::string_view query, const DnsQuestion& question, DnsCode code);

// The question alone, to ask somebody else: what else a query carries leads out as well. bytes_max:
// how long an answer may be; over kDnsPlainBytesMax it is said with EDNS.
std::string write_dns_query(std::string_view query, const DnsQuestion& question,
                            std::size_t bytes_max);

// An answer with these addresses (IPv4) of the asked name itself, as many as fit into
// kDnsPlainBytesMax. ttl: seconds.
std::string write_dns_addresses(std::string_view query, const DnsQuestion& question,
                                const std::vector<std::string>& addresses, std::uint32_t ttl);
// How many that are.
std::size_t dns_addresses_that_fit(const DnsQuestion& question);

// The same message under another id.
std::string with_dns_id(std::string_view packet, std::uint16_t id);

struct DnsAnswer {
  DnsCode code = DnsCode::server_failure;  // also for codes that we have no name for
  bool is_truncated = false;
  std::vector<std::string> addresses;  // IPv4 of any range, each once, at most kDnsAddressesMax
};

// The addresses of the asked name, and of the names that CNAMEs of the answer lead to from there.
// invalid: malformed, of another id, or of another question.
Result<DnsAnswer> read_dns_answer(std::string_view packet, const DnsQuestion& asked,
                                  std::uint16_t id);

}  // namespace matrx::docker
