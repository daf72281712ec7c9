#include "adapters/homes/home_scan.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

namespace matrx {
namespace {

namespace fs = std::filesystem;

class HomeScanTest : public testing::Test {
 protected:
  HomeScanTest() {
    std::string name = (fs::temp_directory_path() / "matrx-scan-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    fs::create_directories(home());
  }
  ~HomeScanTest() override { fs::remove_all(root_); }

  fs::path home() const { return root_ / "home"; }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((home() / path).parent_path());
    std::ofstream(home() / path) << text;
  }
  HomeScan scan(const HomeExcludes& excludes = {}) {
    return scan_home(home().string(), excludes, {}).value();
  }

  fs::path root_;
};

TEST_F(HomeScanTest, FindsEveryKindWithItsAttributes) {
  write("a/b", "text");
  fs::create_directories(home() / "empty");
  fs::create_symlink("../outside", home() / "link");
  ::chmod((home() / "a/b").c_str(), 04711);
  timespec times[2] = {{1, 2}, {1'600'000'000, 123'456'789}};
  ::utimensat(AT_FDCWD, (home() / "a/b").c_str(), times, 0);
  write("line\nbreak \xFF", "x");
  const HomeScan found = scan();
  EXPECT_EQ(found.tree.size(), 5U);
  const HomeNode& file = found.tree.at("a/b");
  EXPECT_EQ(file.kind, NodeKind::file);
  EXPECT_EQ(file.mode, 04711U);
  EXPECT_EQ(file.size_bytes, 4);
  EXPECT_EQ(file.modified_ns, 1'600'000'000'123'456'789);
  EXPECT_EQ(file.uid, ::getuid());
  EXPECT_EQ(found.tree.at("empty").kind, NodeKind::folder);
  EXPECT_EQ(found.tree.at("link").target, "../outside");
  EXPECT_TRUE(found.tree.contains("line\nbreak \xFF"));
  EXPECT_EQ(found.bytes, 5);
}

TEST_F(HomeScanTest, LinksAreNamesNeverWays) {
  fs::create_directories(root_ / "outside");
  std::ofstream(root_ / "outside/secret") << "s";
  fs::create_directory_symlink("../outside", home() / "way");
  fs::create_directory_symlink("/etc", home() / "etc");
  const HomeScan found = scan();
  EXPECT_EQ(found.tree.size(), 2U);
  EXPECT_EQ(found.tree.at("way").kind, NodeKind::link);
}

TEST_F(HomeScanTest, WhatIsNoFileIsLeftOut) {
  ::mkfifo((home() / "fifo").c_str(), 0600);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (home() / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
  write("file", "x");
  const HomeScan found = scan();
  ::close(socket);
  EXPECT_EQ(found.tree.size(), 1U);
  EXPECT_EQ(found.left_out, 2U);
}

TEST_F(HomeScanTest, ExcludesByNameAndByFolder) {
  write("keep.txt", "x");
  write("drop.tmp", "x");
  write("a/.DS_Store", "x");
  write("a/__pycache__/m.pyc", "x");
  write("b/__pycache__x/m", "x");
  write("c/tmp", "x");
  const HomeScan found = scan({"*.tmp", ".DS_Store", "__pycache__/", "tmp/"});
  EXPECT_EQ(found.tree.size(), 7U);           // keep.txt, a, b, b/__pycache__x and its m, c, c/tmp
  EXPECT_TRUE(found.tree.contains("c/tmp"));  // a file: the pattern is for folders
  EXPECT_FALSE(found.tree.contains("a/__pycache__"));
}

TEST_F(HomeScanTest, VeryDeepFoldersEndAtTheLongestPath) {
  // Deeper than any path: made step by step, as mkdir -p in a loop of cd would.
  const int before = ::open(".", O_PATH | O_CLOEXEC);
  ASSERT_EQ(::chdir(home().c_str()), 0);
  for (int depth = 0; depth < 1200; ++depth) {
    ASSERT_EQ(::mkdir("deep", 0755), 0);
    ASSERT_EQ(::chdir("deep"), 0);
  }
  ASSERT_EQ(::fchdir(before), 0);
  const HomeScan found = scan();
  EXPECT_GT(found.tree.size(), 800U);
  EXPECT_LT(found.tree.size(), 900U);  // 4096 bytes of "deep/"
  EXPECT_EQ(found.left_out, 1U);
  ASSERT_EQ(::system(("rm -rf '" + home().string() + "'").c_str()), 0);
  ::fchdir(before);
  ::close(before);
}

TEST_F(HomeScanTest, LimitsAreKept) {
  for (int i = 0; i < 20; ++i) write("f" + std::to_string(i), "0123456789");
  const auto too_many = scan_home(home().string(), {}, {.nodes_max = 19});
  EXPECT_EQ(too_many.error().code, Code::too_large);
  const auto too_large = scan_home(home().string(), {}, {.bytes_max = 199});
  EXPECT_EQ(too_large.error().code, Code::too_large);
  EXPECT_TRUE(scan_home(home().string(), {}, {.nodes_max = 20, .bytes_max = 200}));
  EXPECT_EQ(scan_home((root_ / "none").string(), {}, {}).error().code, Code::unavailable);
}

TEST_F(HomeScanTest, NamesHaveALimitInBytes) {
  const std::string above(200, 'd');
  for (int i = 0; i < 20; ++i) write(above + "/" + std::to_string(10 + i), "");
  fs::create_symlink(std::string(1000, 't'), home() / "link");
  const std::size_t bytes = 200 + 20 * 203 + 4 + 1000;
  EXPECT_TRUE(scan_home(home().string(), {}, {.names_bytes_max = bytes}));
  const auto refused = scan_home(home().string(), {}, {.names_bytes_max = bytes - 1});
  EXPECT_EQ(refused.error().code, Code::too_large);
  EXPECT_TRUE(refused.error().message.contains(std::to_string(bytes - 1)));
}

TEST_F(HomeScanTest, ACutScanHasNoMoreThanItsLimits) {
  for (int i = 0; i < 20; ++i) write("f" + std::to_string(i), "0123456789");
  const HomeScan few =
      scan_home(home().string(), {}, {.nodes_max = 7, .bytes_max = 1, .cuts = true}).value();
  EXPECT_TRUE(few.is_cut);
  EXPECT_EQ(few.tree.size(), 7U);
  const HomeScan all = scan_home(home().string(), {}, {.bytes_max = 1, .cuts = true}).value();
  EXPECT_FALSE(all.is_cut);
  EXPECT_EQ(all.tree.size(), 20U);
}

TEST_F(HomeScanTest, ASparseFileCountsWhatItUses) {
  write("disk.img", "begin");
  ASSERT_EQ(::truncate((home() / "disk.img").c_str(), 100LL << 30), 0);
  const HomeScan found = scan_home(home().string(), {}, {.bytes_max = 1 << 20}).value();
  EXPECT_EQ(found.tree.at("disk.img").size_bytes, 100LL << 30);
  EXPECT_LT(found.bytes, 1 << 20);
  EXPECT_EQ(found.bytes + found.hole_bytes, 100LL << 30);
}

TEST_F(HomeScanTest, WhatSettingsLeaveOutIsCounted) {
  write("a.tmp", "x");
  write("b/__pycache__/m", "x");
  EXPECT_EQ(scan({"*.tmp", "__pycache__/"}).excluded, 2U);
}

TEST_F(HomeScanTest, AFolderThatBecomesALinkUnderItLeadsNowhere) {
  fs::create_directories(root_ / "outside/inner");
  for (int i = 0; i < 50; ++i) std::ofstream(root_ / ("outside/secret" + std::to_string(i))) << "s";
  write("swap/a", "x");
  std::atomic<bool> over = false;
  std::thread attacker([&] {
    while (!over) {
      std::error_code ignored;
      fs::rename(home() / "swap", home() / "aside", ignored);
      fs::create_directory_symlink("../outside", home() / "swap", ignored);
      fs::remove(home() / "swap", ignored);
      fs::rename(home() / "aside", home() / "swap", ignored);
    }
  });
  for (int i = 0; i < 3000; ++i) {
    for (const auto& [path, node] : scan().tree) {
      ASSERT_EQ(path.find("secret"), std::string::npos) << path;
      ASSERT_EQ(path.find("inner"), std::string::npos) << path;
    }
  }
  over = true;
  attacker.join();
}

}  // namespace
}  // namespace matrx
