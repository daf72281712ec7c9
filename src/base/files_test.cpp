#include "base/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/descriptor.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  Files() {
    std::string name = (fs::temp_directory_path() / "matrx-files-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Files() override { fs::remove_all(root_); }

  std::string at(const std::string& name) const { return (root_ / name).string(); }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static struct stat look(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info;
  }
  // Pieces of data with holes between them and at the end.
  void write_sparse(const std::string& path, off_t size) {
    const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::pwrite(file.get(), "begin", 5, 0), 5);
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, size / 2), 6);
    ASSERT_EQ(::ftruncate(file.get(), size), 0);
  }
  Result<std::string> copy(const std::string& from, const std::string& to) {
    const Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    const Descriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    std::string seen;
    CHECK_OK(
        copy_bytes(source.get(), target.get(), [&](std::string_view piece) { seen += piece; }));
    return seen;
  }

  fs::path root_;
};

// Its owner may hold it for 45 seconds, and again at once.
TEST_F(Files, ALeaseIsNotWaitedFor) {
  std::ofstream(at("leased")) << "x";
  const Descriptor owner(::open(at("leased").c_str(), O_RDWR | O_CLOEXEC));
  ::signal(SIGIO, SIG_IGN);
  ASSERT_EQ(::fcntl(owner.get(), F_SETLEASE, F_WRLCK), 0);
  EXPECT_EQ(open_regular_file(root_.string(), "leased").error().code, Code::conflict);
  ASSERT_EQ(::fcntl(owner.get(), F_SETLEASE, F_UNLCK), 0);
  const auto opened = open_regular_file(root_.string(), "leased");
  ASSERT_TRUE(opened);
  ::close(*opened);
}

TEST_F(Files, NeitherIsAFifo) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(open_regular_file(root_.string(), "fifo").error().code, Code::not_found);
}

TEST_F(Files, HolesStayHolesAndAreSeenAsZeros) {
  constexpr off_t kSize = 4 * 1024 * 1024 + 123;
  write_sparse(at("from"), kSize);
  const auto seen = copy(at("from"), at("to"));
  ASSERT_TRUE(seen);
  EXPECT_EQ(content(at("to")), content(at("from")));
  EXPECT_EQ(*seen, content(at("from")));
  EXPECT_GT(holes_of(look(at("from"))), kSize / 2);
  EXPECT_GT(holes_of(look(at("to"))), kSize / 2);
}

// The size is only a number: a hundred gigabytes of nothing must cost nothing.
TEST_F(Files, AHugeHoleCostsNothing) {
  constexpr off_t kSize = 100LL * 1024 * 1024 * 1024;
  write_sparse(at("from"), kSize);
  const Descriptor source(::open(at("from").c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor target(::open(at("to").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(copy_bytes(source.get(), target.get()));
  EXPECT_EQ(look(at("to")).st_size, kSize);
  EXPECT_LT(look(at("to")).st_blocks, 1000);
}

TEST_F(Files, OnlyLongHolesCount) {
  std::ofstream(at("small")) << "x";
  EXPECT_EQ(holes_of(look(at("small"))), 0);
  ASSERT_EQ(::truncate(at("small").c_str(), 20'000), 0);
  EXPECT_EQ(holes_of(look(at("small"))), 0);
}

TEST_F(Files, ZerosAreDugOut) {
  constexpr std::size_t kZeros = 3 * 1024 * 1024;
  std::ofstream(at("file"), std::ios::binary)
      << "begin" << std::string(kZeros, '\0') << "middle" << std::string(kZeros, '\0');
  const std::string before = content(at("file"));
  ASSERT_EQ(holes_of(look(at("file"))), 0);
  const Descriptor file(::open(at("file").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(dig_holes(file.get()));
  EXPECT_EQ(content(at("file")), before);
  EXPECT_GT(holes_of(look(at("file"))), static_cast<std::int64_t>(kZeros));
}

}  // namespace
}  // namespace matrx
