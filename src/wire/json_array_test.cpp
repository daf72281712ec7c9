#include "wire/json_array.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace matrx::json {
namespace {

struct Read {
  bool is_read = false;
  ArrayDocument document;
  std::vector<std::string> elements;
};

Read read(std::string_view text) {
  Read done;
  auto document = parse_array_in(text, "list", [&](const value& element) -> Result<void> {
    done.elements.push_back(serialize(element));
    return {};
  });
  done.is_read = document.has_value();
  if (document) done.document = *std::move(document);
  return done;
}

using Elements = std::vector<std::string>;

TEST(JsonArray, ShowsEachElementInOrder) {
  const Read done = read(R"( { "version" : 1, "list" : [ {"a":[1,{"b":"]}"}]} , "x,\"]" ,
                             null, [ ], -1.5e3 ], "more": {"list": [7]} } )");
  ASSERT_TRUE(done.is_read);
  EXPECT_TRUE(done.document.has_array);
  EXPECT_EQ(done.elements,
            (Elements{R"({"a":[1,{"b":"]}"}]})", R"("x,\"]")", "null", "[]", "-1.5E3"}));
  EXPECT_EQ(serialize(done.document.others), R"({"version":1,"more":{"list":[7]}})");
}

TEST(JsonArray, TellsWhetherThereIsOne) {
  EXPECT_FALSE(read("{}").document.has_array);
  EXPECT_TRUE(read("{}").is_read);
  EXPECT_TRUE(read(R"({"list":[]})").document.has_array);
  const Read null = read(R"({"list":null})");
  EXPECT_TRUE(null.is_read);
  EXPECT_FALSE(null.document.has_array);
  EXPECT_TRUE(null.document.others.contains("list"));
  EXPECT_TRUE(read(R"({"l\u0069st":[1]})").document.has_array);
}

TEST(JsonArray, RefusesWhatIsNone) {
  for (const char* bad : {"",
                          " ",
                          "[]",
                          "1",
                          "{",
                          "}",
                          R"({"list"})",
                          R"({"list":})",
                          R"({"list":[})",
                          R"({"list":[1})",
                          R"({"list":[1,]})",
                          R"({"list":[,1]})",
                          R"({"list":[1 2]})",
                          R"({"list":[1]]})",
                          R"({"list":[1]}})",
                          R"({"list":[1]} x)",
                          R"({"list":[1],})",
                          R"({list:[1]})",
                          R"({1:[1]})",
                          R"({"list":[1}]})",
                          R"({"list":[{"a":1]})",
                          R"({"list":["a]})",
                          R"({"list":["\)",
                          R"({"list":[1]"a":1})",
                          R"({"list":[1],"list":[2]})",
                          R"({"list":[1"a"]})",
                          R"({"a" "b"})",
                          R"({"list":[tru]})",
                          "{\"list\":[\"\xFF\"]}"}) {
    EXPECT_FALSE(read(bad).is_read) << bad;
  }
}

TEST(JsonArray, EndsWhereAnElementIsRefused) {
  int seen = 0;
  const auto document =
      parse_array_in(R"({"list":[1,2,3]})", "list", [&](const value&) -> Result<void> {
        if (++seen == 2) return fail(Code::too_large, "Enough.");
        return {};
      });
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().code, Code::too_large);
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace matrx::json
