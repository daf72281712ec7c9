#include "adapters/mount_s3/mount_s3.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fakes/run_task.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

class MountS3Test : public testing::Test {
 protected:
  MountS3Test() {
    std::string name = (fs::temp_directory_path() / "matrx-mount-s3-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    fs::create_directories(root_ / "parent/cold");
  }
  void TearDown() override { fs::remove_all(root_); }

  // A program that stands in for mount-s3.
  std::string write_program(const std::string& body) {
    const fs::path path = root_ / "mount-s3";
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }
  MountS3Settings settings(const std::string& program) const {
    return {.program = program,
            .folder = (root_ / "caches").string(),
            .bucket = "bucket",
            .region = "eu-west-1",
            .endpoint = {}};
  }
  MountPlace place() const {
    return {.id = SandboxId::parse("sbx-0123456789ab").value_or(SandboxId()),
            .user_id = "user-1",
            .point = (root_ / "parent/cold").string(),
            .cache_bytes_max = 100LL * 1024 * 1024};
  }

  fs::path root_;
  SystemClock clock_;
};

TEST_F(MountS3Test, IsCalledWithWhatItNeedsAndNoSecret) {
  const auto arguments = mount_s3_arguments(settings("x"), place(), "/cache");
  const std::vector<std::string> wanted = {"--foreground",
                                           "--no-log",
                                           "--prefix",
                                           "users/user-1/cold/",
                                           "--region",
                                           "eu-west-1",
                                           "--uid",
                                           "1000",
                                           "--gid",
                                           "1000",
                                           "--allow-other",
                                           "--allow-delete",
                                           "--allow-overwrite",
                                           "--cache",
                                           "/cache",
                                           "--max-cache-size",
                                           "100",
                                           "--metadata-ttl",
                                           "60",
                                           "bucket",
                                           place().point};
  EXPECT_EQ(arguments, wanted);
  auto elsewhere = settings("x");
  elsewhere.endpoint = "http://127.0.0.1:9000";
  const auto more = mount_s3_arguments(elsewhere, place(), "/cache");
  const auto at = std::ranges::find(more, "--endpoint-url");
  ASSERT_NE(at, more.end());
  EXPECT_EQ(*(at + 1), elsewhere.endpoint);
  EXPECT_EQ(*(at + 2), "--force-path-style");
}

TEST_F(MountS3Test, IsDemandedAtTheStart) {
  MountS3 missing(settings((root_ / "none").string()), clock_);
  const auto opened = run_task(missing.open());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::unavailable);
  EXPECT_TRUE(opened.error().message.contains("MATRX_COLD_DRIVER"));
  EXPECT_FALSE(opened.error().message.contains('\n'));
  MountS3 there(settings(write_program("exit 0")), clock_);
  EXPECT_TRUE(run_task(there.open()));
}

TEST_F(MountS3Test, WhatItComplainsOfIsForTheLog) {
  MountS3 mounter(settings(write_program("echo the bucket denies it >&2; exit 1")), clock_);
  ASSERT_TRUE(run_task(mounter.open()));
  const auto mounted = run_task(mounter.mount(place()));
  ASSERT_FALSE(mounted);
  EXPECT_EQ(mounted.error().internal, "mount-s3: the bucket denies it ");
  EXPECT_FALSE(mounted.error().message.contains("denies"));
  EXPECT_FALSE(mounter.is_served(place()));
}

TEST_F(MountS3Test, ItsCacheGoesWithTheMount) {
  MountS3 mounter(settings(write_program("touch \"$(dirname \"$0\")/caches/$1\"; exit 1")), clock_);
  ASSERT_TRUE(run_task(mounter.open()));
  EXPECT_FALSE(run_task(mounter.mount(place())));
  EXPECT_TRUE(fs::exists(root_ / "caches/sbx-0123456789ab"));
  EXPECT_TRUE(run_task(mounter.unmount(place())).value());
  EXPECT_FALSE(fs::exists(root_ / "caches/sbx-0123456789ab"));
  std::ofstream(root_ / "caches/left") << "by an earlier life";
  ASSERT_TRUE(run_task(mounter.open()));
  EXPECT_TRUE(fs::is_empty(root_ / "caches"));
}

TEST_F(MountS3Test, OneThatStillSendsIsNotGone) {
  // It has no mount, but goes on for a while, as one that finishes an upload.
  MountS3 mounter(settings(write_program("exec sleep 30")), clock_);
  ASSERT_TRUE(run_task(mounter.open()));
  EXPECT_EQ(
      run_task(within(clock_, milliseconds(200), "mount", mounter.mount(place()))).error().code,
      Code::timeout);
  EXPECT_TRUE(mounter.is_served(place()));
  EXPECT_FALSE(run_task(mounter.unmount(place())).value());
  EXPECT_TRUE(mounter.is_served(place()));
}

}  // namespace
}  // namespace matrx
