#include "base/child_process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/files.hpp"
#include "base/mount_points.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

TEST(ChildProcesses, AreFoundByPath) {
  EXPECT_TRUE(find_program("sh").ends_with("/sh"));
  EXPECT_EQ(find_program("/bin/sh"), "/bin/sh");
  EXPECT_EQ(find_program("/bin/none"), "");
  EXPECT_EQ(find_program("no-such-program-4711"), "");
}

TEST(ChildProcesses, GetNoneOfOurSettings) {
  ::setenv("MATRX_API_KEY", "secret", 1);
  ::setenv("RCLONE_THING", "x", 1);
  const auto lines = child_environment({"RCLONE_"}, {"ADDED=1"});
  ::unsetenv("MATRX_API_KEY");
  ::unsetenv("RCLONE_THING");
  EXPECT_EQ(std::ranges::count(lines, "ADDED=1"), 1);
  EXPECT_TRUE(std::ranges::none_of(lines, [](const std::string& line) {
    return line.starts_with("MATRX_") || line.starts_with("RCLONE_");
  }));
  EXPECT_TRUE(std::ranges::any_of(
      lines, [](const std::string& line) { return line.starts_with("PATH="); }));
}

TEST(ChildProcesses, TellWhatWentWrong) {
  const fs::path errors = fs::temp_directory_path() / ("matrx-child-" + std::to_string(::getpid()));
  ChildProcess child;
  ASSERT_TRUE(child.start({"/bin/sh", "-c", "echo wrong >&2; exit 3"}, {}, errors.string()));
  while (child.is_running()) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(child.status(), 3 << 8);
  EXPECT_EQ(read_file(errors.string(), 100).value(), "wrong\n");
  fs::remove(errors);
}

TEST(ChildProcesses, EndWithTheirOwner) {
  int pid = 0;
  {
    ChildProcess child;
    ASSERT_TRUE(child.start({"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"}, {}));
    pid = child.pid();
    EXPECT_TRUE(child.is_running());
    child.end(milliseconds(50));
    EXPECT_FALSE(child.is_running());
    ASSERT_TRUE(child.start({"/bin/sleep", "100"}, {}));
    pid = child.pid();
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(MountPoints, AreThoseOfTheKernel) {
  EXPECT_TRUE(mount_points_below("").contains("/proc"));
  EXPECT_TRUE(mount_points_below("/no/such/folder").empty());
  EXPECT_FALSE(is_shared_mount("/no/such/folder"));
}

}  // namespace
}  // namespace matrx
