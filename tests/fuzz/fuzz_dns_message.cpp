// What sandboxes ask the name server, and what name servers of anybody answer.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "adapters/docker/dns_message.hpp"

namespace {

using namespace matrx::docker;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_question(std::string_view packet, const DnsQuestion& question) {
  constexpr std::string_view kTaken = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  require(!question.name.empty() && question.name.size() <= 253);
  require(question.name.find_first_not_of(kTaken) == std::string::npos);
  require(!question.name.starts_with('.') && !question.name.ends_with('.'));
  require(question.name.find("..") == std::string::npos);
  // No pointers: a length, the name, an empty label, type and class behind the header.
  require(question.end <= packet.size() && question.end == 12 + question.name.size() + 6);
}

void check_reply(std::string_view packet, const DnsQuestion& question) {
  const std::string reply = write_dns_reply(packet, question, DnsCode::refused);
  require(reply.size() == question.end);
  require(!read_dns_question(reply));
  const auto answer = read_dns_answer(reply, question, question.id);
  require(answer && answer->code == DnsCode::refused);
  require(!answer->is_truncated && answer->addresses.empty());

  const auto other_id = static_cast<std::uint16_t>(question.id ^ 1U);
  require(!read_dns_answer(reply, question, other_id));
  require(read_dns_answer(with_dns_id(reply, other_id), question, other_id).has_value());
}

void check_what_is_handed_on(std::string_view packet, const DnsQuestion& question) {
  for (const std::size_t bytes_max : {kDnsPlainBytesMax, kDnsMessageBytesMax}) {
    const std::string alone = write_dns_query(packet, question, bytes_max);
    const auto again = read_dns_question(alone);
    require(again && again->name == question.name && again->type == question.type);
    require(alone.size() <= question.end + 11);
  }
  const std::string reply = write_dns_addresses(packet, question, {"192.0.2.1"}, 60);
  require(reply.size() <= kDnsPlainBytesMax);
  const auto answer = read_dns_answer(reply, question, question.id);
  require(answer && answer->addresses == std::vector<std::string>{"192.0.2.1"});
}

void check_answer(const DnsAnswer& answer) {
  require(answer.code <= DnsCode::refused);
  require(answer.addresses.size() <= kDnsAddressesMax);
  for (const auto& address : answer.addresses) {
    require(address.size() >= 7 && address.size() <= 15);
    require(std::ranges::count(address, '.') == 3);
    require(std::ranges::count(answer.addresses, address) == 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  require(with_dns_id(packet, 7).size() == size);
  if (const auto question = read_dns_question(packet)) {
    check_question(packet, *question);
    check_reply(packet, *question);
    check_what_is_handed_on(packet, *question);
    require(!read_dns_answer(packet, *question, question->id));
  }
  // The same bytes as an answer: what they repeat is taken for what was asked.
  if (size < 12) return 0;
  std::string query(packet);
  query.replace(2, 10, std::string("\0\0\0\1\0\0\0\0\0\0", 10));
  const auto asked = read_dns_question(query);
  if (!asked) return 0;
  if (const auto answer = read_dns_answer(packet, *asked, asked->id)) check_answer(*answer);
  return 0;
}
