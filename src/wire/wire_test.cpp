#include <gtest/gtest.h>

#include "wire/connect_envelope.hpp"
#include "wire/guest_messages.hpp"
#include "wire/schema.hpp"

namespace matrx {
namespace {

struct Point {
  int x = 0;
  std::string name;
  std::optional<double> weight;
  int size = 5;
};

const Schema<Point>& point_schema() {
  static const auto schema = Schema<Point>("Point")
                                 .field("x", &Point::x, between(0, 100))
                                 .field("name", &Point::name, chars(1, 3), no_nul())
                                 .field("weight", &Point::weight)
                                 .field_with_default("size", &Point::size, between(1, 9));
  return schema;
}

std::vector<std::string> types_of(std::string_view text) {
  FieldErrors errors;
  point_schema().decode(json::parse(text).value(), errors);
  std::vector<std::string> types;
  for (const auto& error : errors) types.push_back(error.loc.back() + ":" + error.type);
  return types;
}

TEST(Json, RefusesWhatIsNotStrict) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1} x", "nul", "\"\xff\"", "01"}) {
    EXPECT_FALSE(json::parse(text)) << text;
  }
  EXPECT_TRUE(json::parse(" {\"a\": [1, 2.5, null, true]} "));
}

TEST(Json, RefusesTowersOfBrackets) {
  EXPECT_FALSE(json::parse(std::string(1000, '[') + std::string(1000, ']')));
}

TEST(Schema, ReadsAndKeepsDefaults) {
  FieldErrors errors;
  const auto value = json::parse(R"({"x": 7, "name": "ab", "more": 1, "weight": null})").value();
  const Point point = point_schema().decode(value, errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(point.x, 7);
  EXPECT_EQ(point.name, "ab");
  EXPECT_EQ(point.size, 5);
  EXPECT_FALSE(point.weight);
}

TEST(Schema, ReportsEveryProblemAtOnce) {
  EXPECT_EQ(types_of("{}"), (std::vector<std::string>{"x:missing", "name:missing"}));
  EXPECT_EQ(types_of(R"({"x": 101, "name": "abcd", "weight": "w", "size": 0})"),
            (std::vector<std::string>{"x:less_than_equal", "name:string_too_long",
                                      "weight:float_type", "size:greater_than_equal"}));
  EXPECT_EQ(types_of(R"({"x": 1.5, "name": ""})"),
            (std::vector<std::string>{"x:int_type", "name:string_too_short"}));
  EXPECT_EQ(types_of(R"({"x": 99999999999, "name": "a\u0000b"})"),
            (std::vector<std::string>{"x:int_type", "name:string_nul"}));
  EXPECT_EQ(types_of("[]"), std::vector<std::string>{"body:dict_type"});
}

TEST(Schema, CountsCharactersNotBytes) {
  EXPECT_TRUE(types_of(R"({"x": 1, "name": "äöü"})").empty());
}

TEST(Schema, WritesAndDescribes) {
  EXPECT_EQ(json::serialize(point_schema().encode({.x = 1, .name = "n", .size = 2})),
            R"({"x":1,"name":"n","size":2})");
  const auto description = point_schema().describe();
  EXPECT_EQ(json::serialize(description.at("required")), R"(["x","name"])");
  EXPECT_EQ(description.at("properties").at("x").at("maximum"), 100);
  EXPECT_EQ(description.at("properties").at("size").at("default"), 5);
}

TEST(Codec, WholeNumbersAreWrittenWhole) {
  EXPECT_EQ(json::serialize(Codec<double>::encode(2.0)), "2");
  EXPECT_EQ(json::serialize(Codec<double>::encode(-3.0)), "-3");
}

TEST(PairsRule, ChecksNamesAndSizes) {
  const PairsRule rule{.count_max = 2, .chars_max = 4, .names_are_variables = true};
  const auto accepts = [&](Pairs pairs) {
    FieldErrors errors;
    return rule.check(pairs, errors, {"body"});
  };
  EXPECT_TRUE(accepts({{"A_1", "x"}}));
  EXPECT_FALSE(accepts({{"1A", "x"}}));
  EXPECT_FALSE(accepts({{"A=B", "x"}}));
  EXPECT_FALSE(accepts({{"A", "12345"}}));
  EXPECT_FALSE(accepts({{"A", std::string("x\0", 2)}}));
  EXPECT_FALSE(accepts({{"A", ""}, {"B", ""}, {"C", ""}}));
}

TEST(Envelope, ComesTogetherFromAnyPieces) {
  const std::string bytes = encode_envelope(0, "{\"a\":1}") + encode_envelope(2, "{}");
  EXPECT_EQ(bytes.substr(0, 5), std::string("\0\0\0\0\7", 5));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    EnvelopeDecoder decoder(100);
    std::vector<std::string> texts;
    for (const auto& piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
      decoder.append(piece);
      while (auto message = decoder.next().value()) texts.push_back(message->text);
    }
    EXPECT_EQ(texts, (std::vector<std::string>{"{\"a\":1}", "{}"}));
    EXPECT_FALSE(decoder.has_rest());
  }
}

TEST(Envelope, EveryWordOfTheProtocolHasACode) {
  EXPECT_EQ(code_from_connect("already_exists"), Code::conflict);
  EXPECT_EQ(code_from_connect("failed_precondition"), Code::conflict);
  EXPECT_EQ(code_from_connect("unavailable"), Code::unavailable);
  EXPECT_EQ(code_from_connect("resource_exhausted"), Code::exhausted);
  EXPECT_EQ(code_from_connect("of a later version"), Code::internal);
  EXPECT_EQ(connect_code(Code::conflict), "failed_precondition");
  EXPECT_EQ(connect_code(Code::gone), "unavailable");
  EXPECT_EQ(connect_code(Code::too_large), "resource_exhausted");
}

TEST(Envelope, RefusesTooMuchAndCompression) {
  EnvelopeDecoder small(3);
  small.append(encode_envelope(0, "1234").substr(0, 5));
  EXPECT_EQ(small.next().error().code, Code::too_large);
  EnvelopeDecoder plain(100);
  plain.append(encode_envelope(1, "x"));
  EXPECT_EQ(plain.next().error().code, Code::invalid);
}

TEST(GuestMessages, ExecGoesBothWays) {
  ExecSpec spec{.command = "echo \"ä\"\n",
                .user = "root",
                .cwd = "/tmp",
                .env = {{"A", "b"}},
                .stdin_data = std::string("\0\xff", 2),
                .timeout = milliseconds(1500),
                .output_bytes_max = 77};
  const auto read = guest::read_exec_request(guest::write_exec_request(spec)).value();
  EXPECT_EQ(read.command, spec.command);
  EXPECT_EQ(read.user, "root");
  EXPECT_EQ(read.cwd, "/tmp");
  EXPECT_EQ(read.env, spec.env);
  EXPECT_EQ(read.stdin_data, spec.stdin_data);
  EXPECT_EQ(read.timeout, spec.timeout);
  EXPECT_EQ(read.output_bytes_max, 77U);
  spec.cwd.reset();
  EXPECT_FALSE(guest::read_exec_request(guest::write_exec_request(spec)).value().cwd);
}

TEST(GuestMessages, RefusesWhatWasNotAgreed) {
  for (const char* text : {"", "[]", "{}", R"({"command":"x"})",
                           R"({"command":"","timeout_ms":1,"output_bytes_max":1})",
                           R"({"command":"a\u0000","timeout_ms":1,"output_bytes_max":1})",
                           R"({"command":"x","timeout_ms":-1,"output_bytes_max":1})"}) {
    EXPECT_FALSE(guest::read_exec_request(text)) << text;
  }
  EXPECT_FALSE(guest::read_exec_answer("{}"));
  EXPECT_FALSE(guest::read_exec_answer("[1]"));
  EXPECT_FALSE(guest::read_signal("{}"));
  EXPECT_FALSE(guest::read_shutdown_request("{}"));
}

TEST(GuestMessages, ErrorsKeepTheirKind) {
  const Error error = guest::read_error(R"({"code":"invalid_argument","message":"no cwd"})");
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_EQ(error.message, "no cwd");
  EXPECT_EQ(guest::read_error("garbage").code, Code::internal);
}

}  // namespace
}  // namespace matrx
