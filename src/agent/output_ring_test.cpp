#include "agent/output_ring.hpp"

#include <gtest/gtest.h>

#include <random>

namespace matrx::agent {
namespace {

using enum OutputKind;

TEST(OutputRing, GivesBackWhatCameByOffset) {
  RingBudget budget(1'000'000);
  OutputRing ring(budget, 100, 100'000);
  ring.append(standard_output, "hello ");
  ring.append(standard_output, "world");
  ring.append(standard_error, "oops");
  EXPECT_EQ(ring.end(), 15U);
  const auto first = ring.read(0, 100);
  EXPECT_EQ(first->bytes, "hello world");
  EXPECT_EQ(first->kind, standard_output);
  EXPECT_EQ(ring.read(6, 3)->bytes, "wor");
  const auto second = ring.read(11, 100);
  EXPECT_EQ(second->bytes, "oops");
  EXPECT_EQ(second->kind, standard_error);
  EXPECT_EQ(second->offset, 11U);
  EXPECT_FALSE(ring.read(15, 100));
}

TEST(OutputRing, OverwritesTheOldestAndSaysSo) {
  RingBudget budget(1'000'000);
  OutputRing ring(budget, 100, 1000);
  ring.append(standard_output, std::string(900, 'a'));
  EXPECT_TRUE(ring.would_keep(0, 60));
  EXPECT_FALSE(ring.would_keep(0, 100));
  ring.append(standard_output, std::string(500, 'b'));
  EXPECT_GT(ring.begin(), 400U);
  EXPECT_LE(ring.cost(), 1000U);
  EXPECT_FALSE(ring.read(0, 1));
  EXPECT_FALSE(ring.would_keep(0, 1));
  EXPECT_EQ(ring.read(899, 2)->bytes, "ab");
  EXPECT_EQ(ring.end(), 1400U);
}

TEST(OutputRing, OfMoreThanFitsTheEndStays) {
  RingBudget budget(1'000'000);
  OutputRing ring(budget, 100, 1000);
  ring.append(standard_error, "before");
  ring.append(standard_output, std::string(5000, 'a') + "z");
  EXPECT_EQ(ring.end(), 5007U);
  EXPECT_EQ(ring.read(5006, 5)->bytes, "z");
  EXPECT_LE(ring.cost(), 1000U);
  EXPECT_FALSE(ring.read(0, 1));
}

TEST(OutputRing, ManyShortTurnsCostNoMoreThanTheLimit) {
  RingBudget budget(1'000'000);
  OutputRing ring(budget, 100, 1000);
  for (int i = 0; i < 1000; ++i) ring.append(i % 2 ? standard_output : standard_error, "x");
  EXPECT_LE(ring.cost(), 1000U);
  EXPECT_LT(ring.end() - ring.begin(), 100U);
  EXPECT_EQ(ring.read(999, 9)->kind, standard_output);
}

TEST(OutputRing, TheBudgetIsSharedAndGivenBack) {
  RingBudget budget(2000);
  {
    OutputRing first(budget, 100, 1500), second(budget, 100, 1500);
    first.append(standard_output, std::string(1400, 'a'));
    second.append(standard_output, std::string(1400, 'b'));
    EXPECT_LE(budget.used(), 2000U);
    EXPECT_LT(second.cost(), 700U);
    OutputRing third(budget, 100, 1500);
    third.append(standard_output, std::string(1400, 'c'));
    EXPECT_EQ(third.cost(), 100U);  // the least that each has
  }
  EXPECT_EQ(budget.used(), 0U);
}

// Against a plain memory of everything that was ever written.
TEST(OutputRing, AgreesWithAnEndlessOne) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    RingBudget budget(400'000);
    OutputRing ring(budget, 1000, 200'000);
    std::string all, kinds;
    for (int i = 0; i < 300; ++i) {
      const std::string bytes(random() % (i % 10 == 0 ? 90'000 : 300),
                              static_cast<char>('a' + random() % 26));
      const auto kind = random() % 2 ? standard_output : standard_error;
      ring.append(kind, bytes);
      all += bytes;
      kinds.append(bytes.size(), static_cast<char>(kind));
      ASSERT_EQ(ring.end(), all.size());
      ASSERT_LE(ring.cost(), 200'000U);
    }
    std::uint64_t at = ring.begin();
    while (const auto piece = ring.read(at, 1 + random() % 70'000)) {
      ASSERT_EQ(piece->offset, at);
      ASSERT_EQ(piece->bytes, all.substr(at, piece->bytes.size()));
      ASSERT_EQ(kinds.substr(at, piece->bytes.size()),
                std::string(piece->bytes.size(), static_cast<char>(piece->kind)));
      at += piece->bytes.size();
    }
    EXPECT_EQ(at, ring.end());
  }
}

}  // namespace
}  // namespace matrx::agent
