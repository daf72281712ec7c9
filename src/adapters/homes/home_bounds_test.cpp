// What LocalHomes promises of homes made to hurt (ports/homes.hpp).

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "adapters/homes/local_homes.hpp"
#include "base/files.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

class HomeBounds : public testing::Test {
 protected:
  HomeBounds() {
    std::string name = (fs::temp_directory_path() / "matrx-homes-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    make({.nodes_max = 20, .bytes_max = 100});
  }
  ~HomeBounds() override {
    homes_.reset();
    fs::remove_all(root_);
  }
  void make(HomeLimits limits) {
    homes_ = std::make_unique<LocalHomes>(root_.string(), "inst", "boot", HomeExcludes(), limits);
    ASSERT_TRUE(run_task(io_, homes_->open()));
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "gives files to others";
    ASSERT_TRUE(run_task(io_, homes_->make(kId, "user")));
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(fs::path(homes_->folder(kId)) / name, std::ios::binary) << text;
  }
  Result<HomeScan> scan(ScanReach reach) { return run_task(io_, homes_->scan(kId, reach)); }

  static inline const SandboxId kId = SandboxId::parse("sbx-0123456789ab").value();
  fs::path root_;
  asio::io_context io_{1};
  std::unique_ptr<LocalHomes> homes_;
};

TEST_F(HomeBounds, AScanReachesAsFarAsItIsAskedTo) {
  for (int n = 0; n < 15; ++n) write(std::to_string(n), "0123456789");
  EXPECT_EQ(scan(ScanReach::whole).error().code, Code::too_large);  // 150 bytes
  const HomeScan ordinary = scan(ScanReach::ordinary).value();
  EXPECT_FALSE(ordinary.is_cut);
  EXPECT_EQ(ordinary.bytes, 150);
  const HomeScan fitting = scan(ScanReach::fitting).value();
  EXPECT_TRUE(fitting.is_cut);
  EXPECT_EQ(fitting.tree.size(), 10U) << "half of the limit";
}

TEST_F(HomeBounds, WhatCannotBeReadAgainIsNotWritten) {
  write("a", "x");
  ASSERT_TRUE(run_task(io_, homes_->finish(kId, {{"a", {.size_bytes = 1}}})));
  const HomeTree bad{{"../a", {}}};
  EXPECT_EQ(run_task(io_, homes_->write_base(kId, bad)).error().code, Code::invalid);
  EXPECT_EQ(run_task(io_, homes_->write_journal(kId, bad)).error().code, Code::invalid);
  EXPECT_TRUE(run_task(io_, homes_->base(kId)).value().contains("a"));
  EXPECT_TRUE(run_task(io_, homes_->journal(kId)).value().empty());
  EXPECT_GT(run_task(io_, homes_->noted_bytes(kId)).value(), 0);
}

// A storage that knows no holes gives zeros for them.
TEST_F(HomeBounds, ASparseFileGetsItsHolesBack) {
  constexpr std::size_t kZeros = 4 * 1024 * 1024;
  write("disk.img", "begin" + std::string(kZeros, '\0'));
  write("zeros", std::string(kZeros, '\0'));
  const auto size = static_cast<std::int64_t>(kZeros);
  ASSERT_TRUE(
      run_task(io_, homes_->finish(kId, {{"disk.img", {.size_bytes = size + 5, .hole_bytes = size}},
                                         {"zeros", {.size_bytes = size}}})));
  const auto holes = [&](const char* name) {
    struct stat info{};
    EXPECT_EQ(::stat((fs::path(homes_->folder(kId)) / name).c_str(), &info), 0);
    return holes_of(info);
  };
  EXPECT_GT(holes("disk.img"), size / 2);
  EXPECT_EQ(holes("zeros"), 0) << "as it was before";
}

}  // namespace
}  // namespace matrx
