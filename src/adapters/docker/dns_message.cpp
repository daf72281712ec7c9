#include "adapters/docker/dns_message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace matrx::docker {
namespace {

// id, flags, and the counts of questions, answers, authorities, additional records
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kFlagsAt = 2, kQuestionsAt = 4, kAnswersAt = 6, kAuthoritiesAt = 8;
constexpr std::size_t kAdditionalAt = 10;
constexpr unsigned kPointerToQuestion = 0xC00C;  // RFC 1035 §4.1.4: the name at offset 12
constexpr std::size_t kAddressRecordBytes = 16;  // with its name as a pointer
constexpr unsigned kResponseFlag = 0x8000, kTruncatedFlag = 0x0200;
constexpr unsigned kRecursionDesiredFlag = 0x0100, kRecursionAvailableFlag = 0x0080;
constexpr unsigned kOperationMask = 0x7800, kCodeMask = 0x000F;

constexpr std::size_t kQuestionTailBytes = 4;  // type, class
constexpr std::size_t kRecordTailBytes = 10;   // type, class, time to live, length of its data
constexpr unsigned kClassInternet = 1;

constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kNameBytesMax = 254;  // lengths and labels, without the empty last one
constexpr unsigned kPointerMark = 0xC0, kPointerMask = 0x3FFF;
constexpr std::size_t kPointersMax = 32;  // in one name; few have that many labels

std::unexpected<Error> invalid(std::string_view reason) {
  return fail(Code::invalid, "This is not a DNS message that we take.", std::string(reason));
}

unsigned byte_at(std::string_view packet, std::size_t offset) {
  return static_cast<unsigned char>(packet.at(offset));
}

std::uint16_t word_at(std::string_view packet, std::size_t offset) {
  return static_cast<std::uint16_t>(byte_at(packet, offset) << 8U | byte_at(packet, offset + 1));
}

void put_word(std::string& packet, std::size_t offset, unsigned word) {
  packet.at(offset) = static_cast<char>(word >> 8U & 0xFFU);
  packet.at(offset + 1) = static_cast<char>(word & 0xFFU);
}

// Labels as on the wire, each behind its length, in lower case. Unlike with text, a dot inside of a
// label cannot make two names look the same.
struct Name {
  std::string labels;
  std::size_t end = 0;  // behind the name where it began, not where its pointers lead
};

Result<Name> read_name(std::string_view packet, std::size_t offset) {
  Name name;
  std::size_t pointers = 0;
  std::size_t earliest = offset;
  while (offset < packet.size()) {
    const std::size_t left = packet.size() - offset;
    const unsigned length = byte_at(packet, offset);
    if (length <= kLabelBytesMax) {
      if (left <= length) break;
      const std::size_t next = offset + 1 + length;
      if (pointers == 0) name.end = next;
      if (length == 0) return name;
      if (name.labels.size() + 1 + length > kNameBytesMax) return invalid("a name is too long");
      name.labels += to_lower(packet.substr(offset, 1 + length));
      offset = next;
    } else {
      if (length < kPointerMark) return invalid("a label of an unknown kind");
      if (left < 2) break;
      if (pointers == 0) name.end = offset + 2;
      // Before all of this name that was read so far: so there are no loops.
      const std::size_t target = word_at(packet, offset) & kPointerMask;
      if (target < kHeaderBytes || target >= earliest || ++pointers > kPointersMax) {
        return invalid("a pointer in a name leads astray");
      }
      earliest = offset = target;
    }
  }
  return invalid("a name is cut off");
}

// "\3www\7example" → "www.example"; nothing where it is the root or has other characters.
std::optional<std::string> host_name(std::string_view labels) {
  constexpr std::string_view kTaken = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  while (!labels.empty()) {
    const auto length = static_cast<unsigned char>(labels.front());
    const std::string_view label = labels.substr(1, length);
    if (label.find_first_not_of(kTaken) != std::string_view::npos) return std::nullopt;
    if (!text.empty()) text += '.';
    text += label;
    labels.remove_prefix(1 + label.size());
  }
  if (text.empty()) return std::nullopt;
  return text;
}

// The header and the one question, which queries and answers have in common.
Result<DnsQuestion> read_beginning(std::string_view packet) {
  if (packet.size() < kHeaderBytes) return invalid("shorter than a header");
  if (packet.size() > kDnsMessageBytesMax) return invalid("too long");
  const unsigned flags = word_at(packet, kFlagsAt);
  if ((flags & kOperationMask) != 0) return invalid("not a standard query");
  if (word_at(packet, kQuestionsAt) != 1) return invalid("not exactly one question");

  TRY(name, read_name(packet, kHeaderBytes));
  auto text = host_name(name.labels);
  if (!text) return invalid("not the name of a host");
  if (packet.size() - name.end < kQuestionTailBytes) return invalid("the question is cut off");
  if (word_at(packet, name.end + 2) != kClassInternet) return invalid("not of class IN");
  return DnsQuestion{.id = word_at(packet, 0),
                     .name = std::move(*text),
                     .type = word_at(packet, name.end),
                     .wants_recursion = (flags & kRecursionDesiredFlag) != 0,
                     .end = name.end + kQuestionTailBytes};
}

struct Record {
  std::string owner;  // labels
  unsigned type = 0, in_class = 0;
  std::size_t data = 0, end = 0;  // offsets; both within the packet
};

Result<Record> read_record(std::string_view packet, std::size_t offset) {
  TRY(owner, read_name(packet, offset));
  if (packet.size() - owner.end < kRecordTailBytes) return invalid("a record is cut off");
  const std::size_t data = owner.end + kRecordTailBytes;
  const std::size_t length = word_at(packet, data - 2);
  if (packet.size() - data < length) return invalid("the data of a record is cut off");
  return Record{.owner = std::move(owner.labels),
                .type = word_at(packet, owner.end),
                .in_class = word_at(packet, owner.end + 2),
                .data = data,
                .end = data + length};
}

struct Link {
  std::string owner, value;  // labels; labels of the target, or an address
};

struct Links {
  std::vector<Link> aliases, addresses;
};

Result<Links> read_links(std::string_view packet, std::size_t offset) {
  const std::size_t count = word_at(packet, kAnswersAt);
  if (count > kDnsRecordsMax) return invalid("too many records");
  Links links;
  for (std::size_t i = 0; i < count; ++i) {
    TRY(record, read_record(packet, offset));
    offset = record.end;
    if (record.in_class != kClassInternet) continue;
    if (record.type == kDnsTypeCname) {
      TRY(target, read_name(packet, record.data));
      if (target.end != record.end) return invalid("a CNAME is not one name");
      links.aliases.push_back({std::move(record.owner), std::move(target.labels)});
    } else if (record.type == kDnsTypeA) {
      if (record.end - record.data != 4) return invalid("an address is not of four bytes");
      std::string address =
          fmt::format("{}.{}.{}.{}", byte_at(packet, record.data), byte_at(packet, record.data + 1),
                      byte_at(packet, record.data + 2), byte_at(packet, record.data + 3));
      links.addresses.push_back({std::move(record.owner), std::move(address)});
    }
  }
  return links;
}

bool holds(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

// The name and what its aliases lead to. Some resolvers do not send the links of a chain in order.
std::vector<std::string> reached_names(std::string name, const std::vector<Link>& aliases) {
  std::vector<std::string> reached;
  reached.push_back(std::move(name));
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (const Link& alias : aliases) {
      if (alias.owner != reached[i] || holds(reached, alias.value)) continue;
      reached.push_back(alias.value);
    }
  }
  return reached;
}

DnsCode code_of(unsigned flags) {
  const unsigned code = flags & kCodeMask;
  if (code > static_cast<unsigned>(DnsCode::refused)) return DnsCode::server_failure;
  return static_cast<DnsCode>(code);
}

}  // namespace

Result<DnsQuestion> read_dns_question(std::string_view packet) {
  TRY(question, read_beginning(packet));
  if ((word_at(packet, kFlagsAt) & kResponseFlag) != 0) return invalid("not a query");
  if (word_at(packet, kAnswersAt) != 0 || word_at(packet, kAuthoritiesAt) != 0) {
    return invalid("a query with records");
  }
  return std::move(question);
}

std::string write_dns_reply(std::string_view query, const DnsQuestion& question, DnsCode code) {
  const unsigned recursion = question.wants_recursion ? kRecursionDesiredFlag : 0U;
  std::string reply(kHeaderBytes, '\0');
  put_word(reply, 0, question.id);
  put_word(reply, kFlagsAt,
           kResponseFlag | recursion | kRecursionAvailableFlag | static_cast<unsigned>(code));
  put_word(reply, kQuestionsAt, 1);
  reply += query.substr(kHeaderBytes, question.end - kHeaderBytes);
  return reply;
}

std::string write_dns_query(std::string_view query, const DnsQuestion& question,
                            std::size_t bytes_max) {
  std::string alone(kHeaderBytes, '\0');
  put_word(alone, 0, question.id);
  put_word(alone, kFlagsAt, kRecursionDesiredFlag);
  put_word(alone, kQuestionsAt, 1);
  alone += query.substr(kHeaderBytes, question.end - kHeaderBytes);
  if (bytes_max <= kDnsPlainBytesMax) return alone;
  // RFC 6891 §6.1.2: the root's name, the type OPT, the size; no flags and no options.
  constexpr unsigned kTypeOpt = 41;
  put_word(alone, kAdditionalAt, 1);
  const std::size_t at = alone.size() + 1;
  alone.append(11, '\0');
  put_word(alone, at, kTypeOpt);
  put_word(alone, at + 2, static_cast<unsigned>(bytes_max));
  return alone;
}

std::size_t dns_addresses_that_fit(const DnsQuestion& question) {
  return (kDnsPlainBytesMax - question.end) / kAddressRecordBytes;
}

std::string write_dns_addresses(std::string_view query, const DnsQuestion& question,
                                const std::vector<std::string>& addresses, std::uint32_t ttl) {
  std::string reply = write_dns_reply(query, question, DnsCode::no_error);
  const std::size_t count = std::min(addresses.size(), dns_addresses_that_fit(question));
  put_word(reply, kAnswersAt, static_cast<unsigned>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = reply.size();
    reply.append(kAddressRecordBytes, '\0');
    put_word(reply, at, kPointerToQuestion);
    put_word(reply, at + 2, kDnsTypeA);
    put_word(reply, at + 4, 1);  // class IN
    put_word(reply, at + 6, ttl >> 16U);
    put_word(reply, at + 8, ttl & 0xFFFFU);
    put_word(reply, at + 10, 4);
    std::size_t to = at + 12;
    for (const std::string_view part : split(addresses[i], '.')) {
      unsigned number = 0;
      std::from_chars(part.data(), part.data() + part.size(), number);
      if (to < reply.size()) reply[to++] = static_cast<char>(number);
    }
  }
  return reply;
}

std::string with_dns_id(std::string_view packet, std::uint16_t id) {
  std::string changed(packet);
  if (changed.size() >= sizeof(id)) put_word(changed, 0, id);
  return changed;
}

Result<DnsAnswer> read_dns_answer(std::string_view packet, const DnsQuestion& asked,
                                  std::uint16_t id) {
  TRY(question, read_beginning(packet));
  const unsigned flags = word_at(packet, kFlagsAt);
  if (question.id != id || (flags & kResponseFlag) == 0) return invalid("not an answer to this");
  if (question.type != asked.type || !equals_ignoring_case(question.name, asked.name)) {
    return invalid("an answer to another question");
  }
  TRY(links, read_links(packet, question.end));
  TRY(name, read_name(packet, kHeaderBytes));
  const auto reached = reached_names(std::move(name.labels), links.aliases);

  DnsAnswer answer{.code = code_of(flags), .is_truncated = (flags & kTruncatedFlag) != 0};
  for (Link& link : links.addresses) {
    if (answer.addresses.size() == kDnsAddressesMax) break;
    if (!holds(reached, link.owner)) continue;
    if (holds(answer.addresses, link.value)) continue;
    answer.addresses.push_back(std::move(link.value));
  }
  return answer;
}

}  // namespace matrx::docker
