#include "base/remove_tree.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace matrx {
namespace {

namespace fs = std::filesystem;

class RemoveTree : public testing::Test {
 protected:
  RemoveTree() {
    std::string name = (fs::temp_directory_path() / "matrx-remove-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    fs::create_directories(folder());
  }
  ~RemoveTree() override { remove_tree(root_); }
  fs::path folder() const { return root_ / "folder"; }

  fs::path root_;
};

TEST_F(RemoveTree, TakesEverythingAndNothingElse) {
  fs::create_directories(root_ / "outside/inner");
  std::ofstream(root_ / "outside/file") << "x";
  fs::create_directories(folder() / "a/b/c");
  std::ofstream(folder() / "a/b/file") << "x";
  fs::create_directory_symlink("../outside", folder() / "way");
  fs::create_directory_symlink(root_ / "outside", folder() / "a/way");
  ::mkfifo((folder() / "fifo").c_str(), 0600);
  EXPECT_FALSE(remove_tree(folder()));
  EXPECT_FALSE(fs::exists(folder()));
  EXPECT_TRUE(fs::exists(root_ / "outside/file"));
  EXPECT_FALSE(remove_tree(folder()));  // gone already
}

TEST_F(RemoveTree, ALinkInPlaceOfTheFolderIsRemovedItself) {
  fs::create_directories(root_ / "outside/inner");
  fs::remove(folder());
  fs::create_directory_symlink("outside", folder());
  EXPECT_FALSE(remove_tree(folder()));
  EXPECT_FALSE(fs::is_symlink(folder()));
  EXPECT_TRUE(fs::exists(root_ / "outside/inner"));
}

TEST_F(RemoveTree, ManyInOneFolder) {
  for (int i = 0; i < 5000; ++i) std::ofstream(folder() / std::to_string(i));
  for (int i = 0; i < 50; ++i) fs::create_directories(folder() / ("d" + std::to_string(i)) / "e");
  EXPECT_FALSE(remove_tree(folder()));
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(RemoveTree, DepthCostsNoDescriptors) {
  int at = ::open(folder().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (int depth = 0; depth < 1500; ++depth) {
    ASSERT_EQ(::mkdirat(at, "d", 0755), 0);
    const int next = ::openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(next, 0);
    ::close(at);
    at = next;
  }
  ::close(at);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 32;
  ::setrlimit(RLIMIT_NOFILE, &few);
  const auto problem = remove_tree(folder());
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_FALSE(problem) << problem.message();
  EXPECT_FALSE(fs::exists(folder()));
}

}  // namespace
}  // namespace matrx
