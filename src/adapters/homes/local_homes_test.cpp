#include "adapters/homes/local_homes.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "adapters/homes/after_restart.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

const SandboxId kId = SandboxId::parse("sbx-0123456789ab").value();

class LocalHomesTest : public testing::Test {
 protected:
  LocalHomesTest() {
    std::string name = (fs::temp_directory_path() / "matrx-homes-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~LocalHomesTest() override { fs::remove_all(root_); }

  LocalHomes homes(const std::string& boot) { return {root_.string(), "inst-test", boot, {}, {}}; }
  fs::path home() const { return root_ / kId.text() / "home"; }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((home() / path).parent_path());
    std::ofstream(home() / path) << text;
  }

  fs::path root_;
};

TEST_F(LocalHomesTest, AHomeKnowsWhetherItsHostWasStartedAnew) {
  LocalHomes made = homes("boot-1");
  ASSERT_TRUE(run_task(made.make(kId, "user")));
  ASSERT_TRUE(run_task(made.finish(kId, {})));
  write("a", "text");
  EXPECT_FALSE(run_task(made.scan(kId, ScanReach::whole)).value().is_after_restart);
  EXPECT_FALSE(run_task(homes("boot-1").scan(kId, ScanReach::whole)).value().is_after_restart);
  const HomeScan later = run_task(homes("boot-2").scan(kId, ScanReach::whole)).value();
  EXPECT_TRUE(later.is_after_restart);
  EXPECT_TRUE(later.holed.empty());
  EXPECT_EQ(later.tree.size(), 1U);
}

// Homes that an older version made do not say in which boot that was.
TEST_F(LocalHomesTest, AnOlderHomeIsTakenAsItIs) {
  LocalHomes made = homes("boot-1");
  ASSERT_TRUE(run_task(made.make(kId, "user")));
  std::ofstream(root_ / kId.text() / "about.json") << R"({"user_id":"u","installation":"i"})";
  EXPECT_FALSE(run_task(homes("boot-2").scan(kId, ScanReach::whole)).value().is_after_restart);
  const auto kept = run_task(made.list()).value();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].user_id, "u");
  EXPECT_EQ(kept[0].installation, "i");
}

TEST_F(LocalHomesTest, HolesAreFoundWhereAFileHasThem) {
  ASSERT_TRUE(run_task(homes("boot-1").make(kId, "user")));
  write("whole", std::string(10'000, 'x'));
  write("sparse", "x");
  fs::resize_file(home() / "sparse", 1 << 20);
  const int reserved = ::open((home() / "reserved").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  const bool can_reserve = ::fallocate(reserved, 0, 0, 1 << 20) == 0;
  ::close(reserved);
  fs::create_symlink("/etc/passwd", home() / "link");
  const HomeScan found = run_task(homes("boot-2").scan(kId, ScanReach::whole)).value();
  EXPECT_TRUE(found.holed.contains("sparse"));
  EXPECT_FALSE(found.holed.contains("whole"));
  if (can_reserve) EXPECT_TRUE(found.holed.contains("reserved"));
}

TEST_F(LocalHomesTest, ARenameTakesNoNameAndFollowsNoLink) {
  LocalHomes one = homes("boot-1");
  ASSERT_TRUE(run_task(one.make(kId, "user")));
  write("a/b", "text");
  write("c", "other");
  EXPECT_TRUE(run_task(one.rename(kId, {{"a/b", "a/moved"}, {"a", "z"}})));
  EXPECT_TRUE(fs::exists(home() / "z/moved"));
  EXPECT_EQ(run_task(one.rename(kId, {{"z/moved", "c"}})).error().code, Code::unavailable);
  EXPECT_EQ(run_task(one.rename(kId, {{"none", "d"}})).error().code, Code::unavailable);
  fs::create_directories(root_ / "outside");
  std::ofstream(root_ / "outside/file") << "x";
  fs::create_symlink(root_ / "outside", home() / "out");
  EXPECT_FALSE(run_task(one.rename(kId, {{"out/file", "stolen"}})));
  EXPECT_FALSE(run_task(one.rename(kId, {{"c", "out/c"}})));
  EXPECT_TRUE(fs::exists(root_ / "outside/file"));
}

}  // namespace
}  // namespace matrx
