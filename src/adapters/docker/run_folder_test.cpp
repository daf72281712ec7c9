#include "adapters/docker/run_folder.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/mount_points.hpp"
#include "fakes/small_disk.hpp"

namespace matrx::docker {
namespace {

namespace fs = std::filesystem;

class RunFolder : public testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.is_there()) GTEST_SKIP() << "no right to mount";
  }
  std::uintmax_t free() const { return fs::space(disk_.folder()).available; }
  std::string folder() const { return disk_.path("sbx"); }

  SmallDisk disk_{"size=8m"};
};

TEST_F(RunFolder, WhatRootInsidePutsThereTakesNothingOfTheDisk) {
  ASSERT_EQ(::mount(nullptr, disk_.folder().c_str(), nullptr, MS_SHARED, nullptr), 0);
  ASSERT_TRUE(make_run_folder(folder(), ::geteuid(), ""));
  ASSERT_TRUE(make_run_folder(folder(), ::geteuid(), ""));
  const auto before = free();
  std::ofstream(folder() + "/run/junk") << std::string(2'000'000, 'x');
  for (int i = 0; i < 1000; ++i) std::ofstream(folder() + "/run/" + std::to_string(i));
  EXPECT_EQ(free(), before);
  EXPECT_LE(fs::file_size(folder() + "/run/junk"), 256U * 1024);
  EXPECT_EQ(mount_points_below(disk_.folder()).size(), 1U);
  EXPECT_FALSE(remove_run_folder(folder()));
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_TRUE(mount_points_below(disk_.folder()).empty());
}

TEST_F(RunFolder, AnEngineAmongOurMountsSeesThem) {
  ASSERT_EQ(::mount(nullptr, disk_.folder().c_str(), nullptr, MS_PRIVATE, nullptr), 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string socket = disk_.path("engine.sock");
  socket.copy(std::begin(address.sun_path), socket.size());
  const Descriptor engine(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(engine.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(engine.get(), 8), 0);
  ASSERT_TRUE(make_run_folder(folder(), ::geteuid(), socket));
  EXPECT_EQ(mount_points_below(disk_.folder()).size(), 1U);
  EXPECT_FALSE(remove_run_folder(folder()));
}

// A mount that the engine does not see would hide the agent from us.
TEST_F(RunFolder, WhereMountsAreSeenByNobodyElseItIsPlain) {
  ASSERT_EQ(::mount(nullptr, disk_.folder().c_str(), nullptr, MS_PRIVATE, nullptr), 0);
  ASSERT_TRUE(make_run_folder(folder(), ::geteuid(), ""));
  EXPECT_TRUE(mount_points_below(disk_.folder()).empty());
  std::ofstream(folder() + "/run/junk") << "x";
  EXPECT_FALSE(remove_run_folder(folder()));
  EXPECT_FALSE(fs::exists(folder()));
}

}  // namespace
}  // namespace matrx::docker
