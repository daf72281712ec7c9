// What needs no server.

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "adapters/postgres/connection.hpp"
#include "adapters/postgres/rows.hpp"
#include "adapters/postgres/schema.hpp"

namespace matrx::postgres {
namespace {

TEST(PostgresUrl, WhatLibpqReadsIsTaken) {
  for (const char* good :
       {"postgresql://u:p@h:5432/d", "postgres://h/d?sslmode=require", "host=h dbname=d",
        "postgresql://u:p%40%2F%3F@h1:1,h2:2/d", "postgresql://u@/d?host=/run"}) {
    EXPECT_EQ(problem_with_url(good), std::nullopt) << good;
  }
}

TEST(PostgresUrl, AProblemRepeatsNothingOfIt) {
  for (const char* bad : {"postgresql://u:sec@ret@h/d", "postgresql://u:sec/ret@h/d",
                          "postgresql://u:p@h/d?sec=ret", "mysql://sec:ret@h/d", "sec ret"}) {
    const auto problem = problem_with_url(bad);
    ASSERT_TRUE(problem.has_value()) << bad;
    EXPECT_EQ(problem->find("sec"), std::string::npos);
    EXPECT_EQ(problem->find("ret"), std::string::npos);
  }
}

TEST(PostgresSchema, KnowsEveryFileOfTheFolder) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(MATRX_MIGRATIONS_FOLDER)) {
    if (entry.is_regular_file()) files.insert(entry.path().filename().string());
  }
  EXPECT_EQ(files, std::set<std::string>(kMigrations.begin(), kMigrations.end()));
  for (std::size_t i = 0; i < kMigrations.size(); ++i) {
    const std::string number = "00" + std::to_string(i + 1);
    EXPECT_TRUE(kMigrations.at(i).starts_with(number.substr(number.size() - 3)));
  }
}

TEST(PostgresParams, NulBecomesAReplacementCharacter) {
  Params params;
  params.add(std::string("a\0b\0", 4)).add_null().add(std::int64_t{-7});
  const auto pointers = params.pointers();
  EXPECT_STREQ(pointers.at(0),
               "a\xEF\xBF\xBD"
               "b\xEF\xBF\xBD");
  EXPECT_EQ(pointers.at(1), nullptr);
  EXPECT_STREQ(pointers.at(2), "-7");
}

TEST(PostgresRows, WhatJsonbCannotHoldIsReplacedAndNothingElse) {
  Sandbox row;
  row.config_json = R"({"a":"\u0000","b":"\\u0000","c":"\\\u0000"})";
  const Params params = to_params(row);
  EXPECT_STREQ(params.pointers().at(8), R"({"a":"\ufffd","b":"\\u0000","c":"\\\ufffd"})");
}

}  // namespace
}  // namespace matrx::postgres
