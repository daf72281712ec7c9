#include "adapters/docker/dns_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace matrx::docker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kId = 0x1234;
constexpr std::uint16_t kOtherClass = 3;  // CHAOS
constexpr unsigned kQuery = 0x0100;       // recursion desired
constexpr unsigned kAnswer = 0x8180;
constexpr unsigned kQuestionAt = 12;

std::string word(unsigned value) {
  return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
}

std::string labels(std::initializer_list<std::string> all) {
  std::string name;
  for (const auto& label : all) name += static_cast<char>(label.size()) + label;
  return name;
}

std::string name(std::initializer_list<std::string> all) { return labels(all) + '\0'; }

std::string pointer(std::size_t target) { return word(0xC000U | static_cast<unsigned>(target)); }

std::string question(const std::string& of, unsigned type = kDnsTypeA, unsigned in_class = 1) {
  return of + word(type) + word(in_class);
}

std::string header(unsigned flags, unsigned questions, unsigned answers, unsigned authorities = 0,
                   unsigned additional = 0) {
  return word(kId) + word(flags) + word(questions) + word(answers) + word(authorities) +
         word(additional);
}

std::string record(const std::string& owner, unsigned type, const std::string& data,
                   unsigned in_class = 1) {
  return owner + word(type) + word(in_class) + word(0) + word(60) +
         word(static_cast<unsigned>(data.size())) + data;
}

std::string address(unsigned last) { return {1, 2, 3, static_cast<char>(last)}; }

const std::string& example() {
  static const std::string kName = name({"www", "example", "com"});
  return kName;
}

std::string a_query() { return header(kQuery, 1, 0) + question(example()); }

DnsQuestion asked() { return {.id = kId, .name = "www.example.com", .type = kDnsTypeA}; }

std::string an_answer(std::initializer_list<std::string> records, unsigned flags = kAnswer) {
  std::string packet =
      header(flags, 1, static_cast<unsigned>(records.size())) + question(example());
  for (const auto& one : records) packet += one;
  return packet;
}

bool is_query(const std::string& packet) { return read_dns_question(packet).has_value(); }

bool is_query_for(const std::string& of) { return is_query(header(kQuery, 1, 0) + question(of)); }

bool is_answer(const std::string& packet) {
  return read_dns_answer(packet, asked(), kId).has_value();
}

std::vector<std::string> addresses(const std::string& packet) {
  const auto answer = read_dns_answer(packet, asked(), kId);
  if (!answer) return {"malformed: " + answer.error().internal};
  return answer->addresses;
}

TEST(DnsQuestion, IsRead) {
  const auto read = read_dns_question(a_query());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->id, kId);
  EXPECT_EQ(read->name, "www.example.com");
  EXPECT_EQ(read->type, kDnsTypeA);
  EXPECT_TRUE(read->wants_recursion);
  EXPECT_EQ(read->end, a_query().size());
}

TEST(DnsQuestion, MayComeWithAdditionalRecords) {
  const std::string options = '\0' + word(41) + word(1232) + word(0) + word(0) + word(0);
  const std::string plain = header(0, 1, 0, 0, 1) + question(example(), kDnsTypeHttps);
  const auto read = read_dns_question(plain + options);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->type, kDnsTypeHttps);
  EXPECT_FALSE(read->wants_recursion);
  EXPECT_EQ(read->end, plain.size());
}

TEST(DnsQuestion, NamesAreInLowerCase) {
  const auto read =
      read_dns_question(header(kQuery, 1, 0) + question(name({"WwW", "Ex-4_mple", "COM"})));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->name, "www.ex-4_mple.com");
}

TEST(DnsQuestion, EveryByteIsNeeded) {
  for (std::size_t size = 0; size < a_query().size(); ++size) {
    EXPECT_FALSE(is_query(a_query().substr(0, size))) << size;
  }
}

TEST(DnsQuestion, OtherMessagesAreRefused) {
  const std::string one = question(example());
  ASSERT_TRUE(is_query(header(kQuery, 1, 0) + one));
  EXPECT_FALSE(is_query(header(kAnswer, 1, 0) + one));
  EXPECT_FALSE(is_query(header(kQuery | 4U << 11U, 1, 0) + one));  // NOTIFY
  EXPECT_FALSE(is_query(header(kQuery, 0, 0)));
  EXPECT_FALSE(is_query(header(kQuery, 2, 0) + one + one));
  const std::string data = record(example(), kDnsTypeA, address(4));
  EXPECT_FALSE(is_query(header(kQuery, 1, 1) + one + data));
  EXPECT_FALSE(is_query(header(kQuery, 1, 0, 1) + one + data));
  EXPECT_FALSE(is_query(header(kQuery, 1, 0) + question(example(), kDnsTypeA, kOtherClass)));
  EXPECT_FALSE(is_query(a_query() + std::string(kDnsMessageBytesMax, '\0')));
}

TEST(DnsQuestion, NamesOfOtherCharactersAreRefused) {
  for (const std::string& label :
       {std::string("a.b"), std::string("a b"), std::string("a\0b", 3), std::string("a\nb"),
        std::string("*"), std::string("a/b"), std::string("\xC3\xA4"), std::string("@")}) {
    EXPECT_FALSE(is_query_for(name({label, "com"}))) << label;
  }
  EXPECT_FALSE(is_query_for(name({})));  // the root
}

TEST(DnsQuestion, LabelsAndNamesHaveALimit) {
  const std::string longest(63, 'a');
  EXPECT_TRUE(is_query_for(name({longest, "com"})));
  EXPECT_FALSE(is_query_for('\x40' + std::string(64, 'a') + name({"com"})));

  const std::string in_253 = name({longest, longest, longest, std::string(61, 'a')});
  const auto read = read_dns_question(header(kQuery, 1, 0) + question(in_253));
  ASSERT_TRUE(read.has_value());
  EXPECT_THAT(read->name, SizeIs(253));
  EXPECT_FALSE(is_query_for(name({longest, longest, longest, std::string(62, 'a')})));
  EXPECT_FALSE(is_query_for(name({longest, longest, longest, std::string(61, 'a'), "b"})));
}

TEST(DnsQuestion, HasNoPointers) {
  for (const std::size_t target : {0U, 4U, kQuestionAt, kQuestionAt + 4, kQuestionAt + 8, 4000U}) {
    EXPECT_FALSE(is_query_for(labels({"www"}) + pointer(target))) << target;
    EXPECT_FALSE(is_query_for(pointer(target))) << target;
  }
  // Forwards to a name that is one.
  EXPECT_FALSE(is_query(header(kQuery, 1, 0) + question(pointer(kQuestionAt + 6)) + example()));
}

TEST(DnsReply, RepeatsTheQuestionAsItCame) {
  const std::string asks = question(name({"WWW", "Example", "com"}), kDnsTypeAaaa);
  const std::string query = header(kQuery, 1, 0, 0, 1) + asks + "additional";
  const auto read = read_dns_question(query);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(write_dns_reply(query, *read, DnsCode::no_such_name), header(0x8183, 1, 0) + asks);
}

TEST(DnsReply, WantsRecursionWhereTheQueryDid) {
  const std::string query = header(0, 1, 0) + question(example());
  const auto read = read_dns_question(query);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(write_dns_reply(query, *read, DnsCode::refused),
            header(0x8085, 1, 0) + question(example()));
}

TEST(DnsReply, IsAnAnswerWithoutAddresses) {
  const auto answer = read_dns_answer(
      write_dns_reply(a_query(), *read_dns_question(a_query()), DnsCode::refused), asked(), kId);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code, DnsCode::refused);
  EXPECT_THAT(answer->addresses, IsEmpty());
}

TEST(DnsId, IsReplaced) {
  EXPECT_EQ(with_dns_id(a_query(), 0xABCD), word(0xABCD) + a_query().substr(2));
  EXPECT_EQ(with_dns_id("x", 0xABCD), "x");
}

TEST(DnsAnswer, HasTheAddressesOfTheAskedName) {
  const std::string again = pointer(kQuestionAt);
  EXPECT_THAT(addresses(an_answer(
                  {record(again, kDnsTypeA, address(4)), record(example(), kDnsTypeA, address(255)),
                   record(again, kDnsTypeA, address(4)),
                   record(name({"WWW", "EXAMPLE", "com"}), kDnsTypeA, address(0))})),
              ElementsAre("1.2.3.4", "1.2.3.255", "1.2.3.0"));
  EXPECT_THAT(addresses(an_answer({})), IsEmpty());
}

TEST(DnsAnswer, FollowsAliases) {
  const std::string cdn = name({"edge", "cdn", "net"}), last = name({"a", "cdn", "net"});
  const std::string first_link = record(pointer(kQuestionAt), kDnsTypeCname, cdn);
  const std::string second_link = record(cdn, kDnsTypeCname, last);
  const std::string found = record(last, kDnsTypeA, address(4));
  EXPECT_THAT(addresses(an_answer({first_link, second_link, found})), ElementsAre("1.2.3.4"));
  EXPECT_THAT(addresses(an_answer({found, second_link, first_link})), ElementsAre("1.2.3.4"));
  EXPECT_THAT(addresses(an_answer({second_link, found})), IsEmpty());
}

TEST(DnsAnswer, AliasesMayBeCompressed) {
  // The target of the alias is "cdn." and the "com" of the question.
  const std::string alias =
      record(pointer(kQuestionAt), kDnsTypeCname, labels({"cdn"}) + pointer(kQuestionAt + 12));
  const std::size_t target = an_answer({}).size() + alias.size() - 6;
  EXPECT_THAT(addresses(an_answer({alias, record(pointer(target), kDnsTypeA, address(4))})),
              ElementsAre("1.2.3.4"));
  EXPECT_THAT(addresses(an_answer({alias, record(name({"cdn", "com"}), kDnsTypeA, address(4))})),
              ElementsAre("1.2.3.4"));
}

TEST(DnsAnswer, AliasesInACircleEnd) {
  const std::string other = name({"other", "com"});
  EXPECT_THAT(addresses(an_answer(
                  {record(example(), kDnsTypeCname, other), record(other, kDnsTypeCname, example()),
                   record(other, kDnsTypeCname, other), record(other, kDnsTypeA, address(4))})),
              ElementsAre("1.2.3.4"));
}

TEST(DnsAnswer, OtherRecordsAreIgnored) {
  EXPECT_THAT(addresses(an_answer({record(name({"evil", "com"}), kDnsTypeA, address(1)),
                                   record(name({"example", "com"}), kDnsTypeA, address(2)),
                                   record(name({}), kDnsTypeA, address(3)),
                                   // one label that reads like the asked name
                                   record(name({"www.example", "com"}), kDnsTypeA, address(5)),
                                   record(example(), kDnsTypeA, address(6), kOtherClass),
                                   record(example(), kDnsTypeAaaa, std::string(16, '\1')),
                                   record(example(), kDnsTypeA, address(4))})),
              ElementsAre("1.2.3.4"));
  // Only the answer section counts.
  EXPECT_THAT(addresses(header(kAnswer, 1, 0, 1, 1) + question(example()) +
                        record(example(), kDnsTypeA, address(4)) +
                        record(example(), kDnsTypeA, address(5))),
              IsEmpty());
}

TEST(DnsAnswer, BelongsToTheQuestion) {
  const std::string found = record(example(), kDnsTypeA, address(4));
  ASSERT_TRUE(is_answer(an_answer({found})));
  EXPECT_FALSE(read_dns_answer(an_answer({found}), asked(), kId + 1).has_value());
  EXPECT_FALSE(is_answer(an_answer({found}, kQuery)));
  const auto other = [&](const std::string& repeated) {
    return header(kAnswer, 1, 1) + repeated + found;
  };
  EXPECT_TRUE(is_answer(other(question(name({"www", "EXAMPLE", "com"})))));
  EXPECT_FALSE(is_answer(other(question(name({"example", "com"})))));
  EXPECT_FALSE(is_answer(other(question(name({"www.example", "com"})))));
  EXPECT_FALSE(is_answer(other(question(example(), kDnsTypeAaaa))));
  EXPECT_FALSE(is_answer(other(question(example(), kDnsTypeA, kOtherClass))));
  EXPECT_FALSE(is_answer(header(kAnswer, 0, 1) + found));
  EXPECT_FALSE(
      is_answer(header(kAnswer, 2, 1) + question(example()) + question(example()) + found));
}

TEST(DnsAnswer, TellsItsCode) {
  const auto code = [](unsigned bits) {
    const auto answer = read_dns_answer(an_answer({}, kAnswer | bits), asked(), kId);
    return answer ? answer->code : DnsCode::format_error;
  };
  EXPECT_EQ(code(0), DnsCode::no_error);
  EXPECT_EQ(code(2), DnsCode::server_failure);
  EXPECT_EQ(code(3), DnsCode::no_such_name);
  EXPECT_EQ(code(5), DnsCode::refused);
  EXPECT_EQ(code(9), DnsCode::server_failure);  // one without a name here
}

TEST(DnsAnswer, TellsThatItIsTruncated) {
  const auto whole = read_dns_answer(an_answer({}), asked(), kId);
  const auto part = read_dns_answer(
      an_answer({record(example(), kDnsTypeA, address(4))}, kAnswer | 0x0200U), asked(), kId);
  ASSERT_TRUE(whole && part);
  EXPECT_FALSE(whole->is_truncated);
  EXPECT_TRUE(part->is_truncated);
  EXPECT_THAT(part->addresses, ElementsAre("1.2.3.4"));
}

TEST(DnsAnswer, AddressesAndRecordsHaveALimit) {
  const auto with = [](unsigned count) {
    std::string packet = header(kAnswer, 1, count) + question(example());
    for (unsigned i = 0; i < count; ++i) {
      packet += record(pointer(kQuestionAt), kDnsTypeA, address(i));
    }
    return packet;
  };
  EXPECT_THAT(addresses(with(kDnsAddressesMax)), SizeIs(kDnsAddressesMax));
  EXPECT_THAT(addresses(with(kDnsRecordsMax)), SizeIs(kDnsAddressesMax));
  EXPECT_FALSE(is_answer(with(kDnsRecordsMax + 1)));
  EXPECT_FALSE(is_answer(with(1) + std::string(kDnsMessageBytesMax, '\0')));
}

TEST(DnsAnswer, EveryByteIsNeeded) {
  const std::string whole = an_answer({record(example(), kDnsTypeCname, name({"cdn", "com"})),
                                       record(name({"cdn", "com"}), kDnsTypeA, address(4))});
  ASSERT_TRUE(is_answer(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(is_answer(whole.substr(0, size))) << size;
  }
}

TEST(DnsAnswer, PointersLeadBack) {
  const std::size_t here = an_answer({}).size();
  const auto owned_by = [](const std::string& owner) {
    return an_answer({record(owner, kDnsTypeA, address(4))});
  };
  EXPECT_TRUE(is_answer(owned_by(pointer(kQuestionAt))));
  EXPECT_FALSE(is_answer(owned_by(pointer(here))));                        // at itself
  EXPECT_FALSE(is_answer(owned_by(labels({"a"}) + pointer(here))));        // in a circle
  EXPECT_FALSE(is_answer(owned_by(pointer(here + 2) + pointer(here))));    // forwards
  EXPECT_FALSE(is_answer(owned_by(labels({"a"}) + pointer(here + 4))));    // forwards
  EXPECT_FALSE(is_answer(owned_by(pointer(0x3FFF))));                      // outside
  EXPECT_FALSE(is_answer(owned_by(pointer(4))));                           // into the header
  EXPECT_FALSE(is_answer(owned_by("\x80" + std::string(1, '\x0C'))));      // no known kind
  EXPECT_FALSE(is_answer(an_answer({}).replace(6, 2, word(1)) + "\xC0"));  // half a pointer
}

TEST(DnsAnswer, ANameHasOnlySoManyPointers) {
  const auto chain = [](std::size_t length) {
    std::string packet = an_answer({});
    std::size_t before = kQuestionAt;
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t here = packet.size();
      packet += record(pointer(before), kDnsTypeA, address(4));
      before = here;
    }
    return packet.replace(6, 2, word(static_cast<unsigned>(length)));
  };
  EXPECT_THAT(addresses(chain(32)), ElementsAre("1.2.3.4"));
  EXPECT_FALSE(is_answer(chain(33)));
}

TEST(DnsAnswer, DataFitsItsType) {
  EXPECT_FALSE(is_answer(an_answer({record(example(), kDnsTypeA, "123")})));
  EXPECT_FALSE(is_answer(an_answer({record(example(), kDnsTypeA, "12345")})));
  EXPECT_FALSE(is_answer(an_answer({record(example(), kDnsTypeCname, "")})));
  EXPECT_FALSE(is_answer(an_answer({record(example(), kDnsTypeCname, name({"a"}) + "b")})));
  // A target that ends in the next record.
  EXPECT_FALSE(is_answer(an_answer(
      {record(example(), kDnsTypeCname, labels({"a"})), record(name({}), kDnsTypeA, address(4))})));
}

TEST(DnsMessage, AQueryIsHandedOnWithoutWhatElseItCarries) {
  const std::string query = with_dns_id(std::string("\0\0\1\0\0\1\0\0\0\0\0\1", 12) +
                                            std::string("\4PyPi\3org\0\0\1\0\1", 14) + "smuggled",
                                        7);
  const auto question = read_dns_question(query);
  ASSERT_TRUE(question);
  const std::string alone = write_dns_query(query, *question, kDnsPlainBytesMax);
  EXPECT_EQ(alone.size(), 26U);
  const auto again = read_dns_question(alone);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->name, "pypi.org");
  EXPECT_TRUE(again->wants_recursion);
}

TEST(DnsMessage, AQueryMayTakeLongerAnswers) {
  const std::string query =
      std::string("\0\7\1\0\0\1\0\0\0\0\0\0", 12) + std::string("\1a\3org\0\0\1\0\1", 11);
  const auto question = read_dns_question(query).value();
  const std::string longer = write_dns_query(query, question, 1232);
  EXPECT_EQ(longer.size(), query.size() + 11);
  EXPECT_EQ(longer.substr(10, 2), std::string("\0\1", 2));
  EXPECT_EQ(longer.substr(query.size()), std::string("\0\0\x29\4\xd0\0\0\0\0\0\0", 11));
  EXPECT_TRUE(read_dns_question(longer));
}

TEST(DnsMessage, AddressesAreWrittenAsManyAsFit) {
  const std::string query =
      std::string("\0\7\1\0\0\1\0\0\0\0\0\0", 12) + std::string("\1A\3org\0\0\1\0\1", 11);
  const auto question = read_dns_question(query).value();
  std::vector<std::string> addresses;
  for (int i = 0; i < 40; ++i) addresses.push_back("192.0.2." + std::to_string(i));
  const std::string reply = write_dns_addresses(query, question, addresses, 60);
  EXPECT_LE(reply.size(), kDnsPlainBytesMax);
  const auto answer = read_dns_answer(reply, question, 7).value();
  addresses.resize(dns_addresses_that_fit(question));
  EXPECT_EQ(answer.addresses, addresses);
  EXPECT_EQ(answer.code, DnsCode::no_error);
  EXPECT_FALSE(answer.is_truncated);
}

}  // namespace
}  // namespace matrx::docker
