// Who has to go when the disk is full: the pure part. tests/sim/disk_test.cpp has the rest.

#include "core/disk_watch.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace matrx {
namespace {

DiskRoom room_with(std::int64_t bytes_free, std::int64_t inodes_free) {
  return {.name = "data folder",
          .bytes_total = 1000,
          .bytes_free = bytes_free,
          .inodes_total = 1000,
          .inodes_free = inodes_free};
}

TEST(DiskLevel, TheWorseOfBytesAndInodesCounts) {
  const DiskLimits limits{.refuse_below = {.percent = 10}, .end_below = {.percent = 2}};
  EXPECT_EQ(disk_level(room_with(100, 100), limits), DiskLevel::enough);
  EXPECT_EQ(disk_level(room_with(99, 1000), limits), DiskLevel::low);
  EXPECT_EQ(disk_level(room_with(1000, 99), limits), DiskLevel::low);
  EXPECT_EQ(disk_level(room_with(19, 1000), limits), DiskLevel::critical);
  EXPECT_EQ(disk_level(room_with(1000, 19), limits), DiskLevel::critical);
}

TEST(DiskLevel, LimitsInBytesAndLimitsThatAreOff) {
  const DiskLimits bytes{.refuse_below = {.bytes = 500}, .end_below = {}};
  EXPECT_EQ(disk_level(room_with(499, 1000), bytes), DiskLevel::low);
  EXPECT_EQ(disk_level(room_with(1, 1000), bytes), DiskLevel::low);
  EXPECT_EQ(disk_level(room_with(600, 40), bytes), DiskLevel::low);  // of inodes the usual share
  const DiskLimits off{.refuse_below = {}, .end_below = {}};
  EXPECT_EQ(disk_level(room_with(1, 1), off), DiskLevel::enough);
  EXPECT_EQ(disk_level(room_with(0, 1000), off), DiskLevel::critical);  // nothing is left
}

TEST(DiskLevel, OfALargeDiskGigabytesAreEnough) {
  constexpr std::int64_t kGiB = 1LL << 30;
  DiskRoom room = room_with(9 * kGiB, 1000);
  room.bytes_total = 4000 * kGiB;
  EXPECT_EQ(disk_level(room, {}), DiskLevel::enough);
  room.bytes_free = 7 * kGiB;
  EXPECT_EQ(disk_level(room, {}), DiskLevel::low);
  room.bytes_free = kGiB;
  EXPECT_EQ(disk_level(room, {}), DiskLevel::critical);
}

TEST(DiskLevel, AFileSystemWithoutACountOfInodesHasEnoughOfThem) {
  DiskRoom room = room_with(500, 0);
  room.inodes_total = 0;
  EXPECT_EQ(disk_level(room, {}), DiskLevel::enough);
}

class LargestGrower : public testing::Test {
 protected:
  SystemRandom random_;
  SandboxId a_ = SandboxId::make(random_), b_ = SandboxId::make(random_);
};

TEST_F(LargestGrower, WhoHasGrownMostGoesAndNotWhoIsLargest) {
  EXPECT_EQ(largest_grower(room_with(0, 500), {{a_, {.bytes = 600}}, {b_, {.bytes = 20}}},
                           {{a_, {.bytes = 610}}, {b_, {.bytes = 300}}}),
            b_);
}

TEST_F(LargestGrower, OfALargeDiskAGigabyteHelps) {
  constexpr std::int64_t kGiB = 1LL << 30;
  DiskRoom room = room_with(kGiB, 1000);
  room.bytes_total = 4000 * kGiB;
  EXPECT_EQ(largest_grower(room, {{a_, {.bytes = 12 * kGiB}}},
                           {{a_, {.bytes = 12 * kGiB}}, {b_, {.bytes = 9 * kGiB}}}),
            b_);
}

// Fifty thousand empty files in front of a large one: no look comes to it.
TEST_F(LargestGrower, WhoIsLargerThanALookHasTakenWhatNobodyElseHas) {
  const DiskUses before = {{a_, {.bytes = 10, .is_whole = false}}, {b_, {.bytes = 20}}};
  const DiskUses now = {{a_, {.bytes = 10, .is_whole = false}}, {b_, {.bytes = 50}}};
  const std::int64_t unseen = unseen_growth(room_with(600, 1000), before, room_with(0, 1000), now);
  EXPECT_EQ(unseen, 570);
  EXPECT_EQ(largest_grower(room_with(0, 1000), before, now, unseen), a_);
  EXPECT_EQ(largest_grower(room_with(0, 1000), before, now), b_);
}

TEST_F(LargestGrower, WithoutGrowthItIsTheLargest) {
  const DiskUses same = {{a_, {.bytes = 600}}, {b_, {.bytes = 300}}};
  EXPECT_EQ(largest_grower(room_with(0, 500), same, same), a_);
}

TEST_F(LargestGrower, OfInodesWhereTheseAreShort) {
  EXPECT_EQ(largest_grower(room_with(500, 0), {},
                           {{a_, {.bytes = 600, .inodes = 1}}, {b_, {.bytes = 1, .inodes = 900}}}),
            b_);
}

TEST_F(LargestGrower, NobodyWhoseEndWouldNotHelp) {
  EXPECT_EQ(largest_grower(room_with(0, 500), {}, {{a_, {.bytes = 9}}, {b_, {.bytes = 5}}}),
            std::nullopt);
  EXPECT_EQ(largest_grower(room_with(0, 500), {}, {}), std::nullopt);
}

}  // namespace
}  // namespace matrx
