#include "core/census.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

SandboxId id_of(int number) {
  std::string digits = std::to_string(number);
  return *SandboxId::parse("sbx-" + std::string(12 - digits.size(), '0') + digits);
}

Sandbox row_of(int number, const char* user) {
  Sandbox row;
  row.id = id_of(number);
  row.user_id = user;
  return row;
}

TEST(Census, SeatsCountBeforeTheirRowsDo) {
  Census census({.sandboxes = 2});
  auto first = std::make_optional(census.take_seat("a").value());
  auto second = std::make_optional(census.take_seat("b").value());
  const auto third = census.take_seat("c");
  EXPECT_EQ(third.error().code, Code::exhausted);
  EXPECT_TRUE(third.error().message.contains("it takes (2)")) << third.error().message;
  census.add(id_of(1), "a");
  first.reset();
  EXPECT_FALSE(census.take_seat("c")) << "it is counted now";
  second.reset();  // its row was never added
  EXPECT_TRUE(census.take_seat("c"));
  census.remove(id_of(1));
  EXPECT_EQ(census.active(), 0);
}

TEST(Census, AUserHasALimitOfItsOwn) {
  Census census({.sandboxes_of_user = 1});
  census.add(id_of(1), "a");
  EXPECT_TRUE(census.take_seat("a").error().message.contains("one may have (1)"));
  EXPECT_TRUE(census.take_seat("b"));
  census.remove(id_of(1));
  census.remove(id_of(1));  // again: nothing
  const auto seat = census.take_seat("a");
  EXPECT_TRUE(seat);
  EXPECT_FALSE(census.take_seat("a"));
}

TEST(Census, WithoutLimitsNobodyIsRefused) {
  Census census({});
  for (int i = 0; i < 100; ++i) census.add(id_of(i), "a");
  EXPECT_TRUE(census.take_seat("a"));
  EXPECT_EQ(census.active(), 100);
}

TEST(Census, ACountCorrectsWhatOthersHaveChanged) {
  Census census({.sandboxes_of_user = 2});
  census.add(id_of(1), "a");
  census.add(id_of(2), "a");
  census.begin_count();
  census.finish_count({row_of(2, "a"), row_of(3, "b")});
  EXPECT_EQ(census.active(), 2);
  EXPECT_TRUE(census.take_seat("a"));
  census.remove(id_of(3));
  EXPECT_EQ(census.active(), 1);
}

TEST(Census, WhatHappensDuringACountIsNotUndoneByIt) {
  Census census({.sandboxes_of_user = 1});
  census.add(id_of(1), "a");
  census.begin_count();
  census.remove(id_of(1));    // the rows were read before
  census.add(id_of(2), "b");  // and after
  const auto seat = census.take_seat("c");
  census.finish_count({row_of(1, "a")});
  EXPECT_EQ(census.active(), 1);
  EXPECT_TRUE(census.take_seat("a"));
  EXPECT_FALSE(census.take_seat("b"));
  EXPECT_FALSE(census.take_seat("c")) << "a seat outlives a count";
  census.finish_count({});  // of a count that was never begun
  EXPECT_EQ(census.active(), 1);
}

}  // namespace
}  // namespace matrx
