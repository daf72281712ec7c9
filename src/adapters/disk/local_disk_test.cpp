// What ports/disk.hpp promises, on disks that can be filled.

#include "adapters/disk/local_disk.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "adapters/disk/limits.hpp"
#include "base/random.hpp"
#include "fakes/run_task.hpp"
#include "fakes/small_disk.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMegabyte = 1024 * 1024;

class LocalDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!small_.is_there()) GTEST_SKIP() << "no right to mount";
  }

  DiskRoom room() { return run_task(io_, disk_.rooms("")).value().at(0); }
  DiskUse use() { return run_task(io_, disk_.use(id_, "", room().device)).value(); }
  void write(const std::string& path, std::int64_t bytes) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << std::string(static_cast<std::size_t>(bytes), 'x');
  }

  SmallDisk small_{"size=64m,nr_inodes=20000"};
  LocalDisk disk_{{.data = small_.folder(),
                   .homes = small_.path("homes"),
                   .sandboxes = small_.path("sandboxes"),
                   .reserve = small_.path("reserve")}};
  SystemRandom random_;
  SandboxId id_ = SandboxId::make(random_);
  asio::io_context io_{1};
};

TEST_F(LocalDiskTest, TellsHowMuchIsLeft) {
  const DiskRoom before = room();
  EXPECT_EQ(before.bytes_total, 64 * kMegabyte);
  write(small_.path("file"), 8 * kMegabyte);
  const DiskRoom after = room();
  EXPECT_EQ(before.bytes_free - after.bytes_free, 8 * kMegabyte);
  EXPECT_EQ(before.inodes_free - after.inodes_free, 1);
}

TEST_F(LocalDiskTest, TheEnginesDiskCountsWhereItIsAnother) {
  const SmallDisk engines("size=8m");
  EXPECT_EQ(run_task(io_, disk_.rooms(engines.folder())).value().size(), 2U);
  EXPECT_EQ(run_task(io_, disk_.rooms(small_.path("."))).value().size(), 1U);
  EXPECT_EQ(run_task(io_, disk_.rooms("/no/such/folder")).value().size(), 1U);
}

TEST_F(LocalDiskTest, AUseIsWhatLiesThereWhoeverPutItThere) {
  const std::string home = small_.path("homes/" + id_.text() + "/home/");
  write(home + "a/b/large", 4 * kMegabyte);
  write(small_.path("sandboxes/" + id_.text() + "/run/junk"), 2 * kMegabyte);
  fs::create_hard_link(home + "a/b/large", home + "again");
  fs::create_symlink("/", home + "everything");
  std::ofstream(home + "sparse").close();
  fs::resize_file(home + "sparse", 1024 * kMegabyte);
  const DiskUse found = use();
  EXPECT_EQ(found.bytes / kMegabyte, 6);
  EXPECT_LT(found.inodes, 15);
  EXPECT_TRUE(found.is_whole);
}

TEST_F(LocalDiskTest, ALookIsBounded) {
  SmallDisk large("size=64m,nr_inodes=100000");
  LocalDisk disk({.data = large.folder(), .homes = large.folder(), .sandboxes = "", .reserve = ""});
  const std::string home = large.path(id_.text());
  fs::create_directories(home);
  for (std::size_t i = 0; i <= kUseNodesMax; ++i) {
    ASSERT_EQ(::mkdir((home + "/" + std::to_string(i)).c_str(), 0700), 0);
  }
  const auto device = run_task(io_, disk.rooms("")).value().at(0).device;
  const DiskUse found = run_task(io_, disk.use(id_, "", device)).value();
  EXPECT_FALSE(found.is_whole);
  EXPECT_LE(found.inodes, static_cast<std::int64_t>(kUseNodesMax));
}

TEST_F(LocalDiskTest, TheReserveIsRoomOnAFullDisk) {
  ASSERT_TRUE(run_task(io_, disk_.take_reserve()));
  ASSERT_TRUE(run_task(io_, disk_.take_reserve()));  // once more takes nothing more
  const std::int64_t kept = 64 * kMegabyte - room().bytes_free;
  EXPECT_NEAR(static_cast<double>(kept), static_cast<double>(kMegabyte), 64 * 1024.0);
  small_.fill();
  small_.fill_inodes();
  EXPECT_EQ(room().bytes_free, 0);
  EXPECT_EQ(room().inodes_free, 0);
  EXPECT_TRUE(run_task(io_, disk_.release_reserve()).value());
  EXPECT_GE(room().bytes_free, kMegabyte);
  EXPECT_GE(room().inodes_free, 200);
  EXPECT_FALSE(run_task(io_, disk_.release_reserve()).value());
  // Where there is nothing to spare it is not taken again: whoever needs it would be without.
  ASSERT_TRUE(run_task(io_, disk_.take_reserve()));
  EXPECT_GE(room().bytes_free, kMegabyte);
}

TEST_F(LocalDiskTest, AStartGivesItFreeOnlyWhereTheDiskIsFull) {
  ASSERT_TRUE(run_task(io_, disk_.take_reserve()));
  const DiskReserve reserve(small_.path("reserve"));
  EXPECT_FALSE(reserve.release_where_full().value());
  small_.fill();
  EXPECT_TRUE(reserve.release_where_full().value());
  EXPECT_FALSE(DiskReserve(small_.path("never made")).release_where_full().value());
}

}  // namespace
}  // namespace matrx
