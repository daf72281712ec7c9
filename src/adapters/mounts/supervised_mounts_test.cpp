#include "adapters/mounts/supervised_mounts.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/limits.hpp"
#include "fakes/run_task.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

struct FakeMounter : Mounter {
  Task<Result<void>> open() override { co_return Result<void>(); }
  bool shares_cache() const override { return shared; }
  bool goes_on() const override { return resumes; }
  Task<Result<void>> mount(MountPlace place) override {
    if (fails) co_return fail(Code::unavailable, "No.");
    served.insert(place.id);
    places.push_back(place);
    co_return Result<void>();
  }
  bool is_served(const MountPlace& place) override { return served.contains(place.id); }
  Task<Result<bool>> is_flushed(MountPlace) override { co_return flushed; }
  Task<Result<bool>> unmount(MountPlace place) override {
    if (busy) co_return false;
    served.erase(place.id);
    co_return true;
  }
  Task<Result<void>> forget_cache(std::string user_id) override {
    forgotten.push_back(std::move(user_id));
    co_return Result<void>();
  }
  Task<void> look_after(std::vector<MountPlace>) override { co_return; }
  std::string trouble(const std::string& user_id) const override { return "trouble of " + user_id; }
  std::int64_t refused_uploads() const override { return 7; }

  bool shared = true, resumes = true, fails = false, flushed = true, busy = false;
  std::set<SandboxId> served;
  std::vector<MountPlace> places;
  std::vector<std::string> forgotten;
};

class SupervisedMountsTest : public testing::Test {
 protected:
  SupervisedMountsTest() {
    std::string name = (fs::temp_directory_path() / "matrx-mounts-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    begin_life();
  }
  void TearDown() override { fs::remove_all(root_); }

  void begin_life() {
    auto mounter = std::make_unique<FakeMounter>();
    mounter_ = mounter.get();
    mounts_ =
        std::make_unique<SupervisedMounts>(std::move(mounter), root_.string(), kCache, clock_);
  }
  static SandboxId id(int number) {
    return SandboxId::parse("sbx-00000000000" + std::to_string(number)).value_or(SandboxId());
  }
  Result<void> attach(int number, const std::string& user) {
    return run_task(mounts_->attach(id(number), user));
  }
  Result<bool> detach(int number, const std::string& user) {
    return run_task(mounts_->detach(id(number), user, milliseconds(0)));
  }

  static constexpr std::int64_t kCache = 1024LL * 1024 * 1024;
  fs::path root_;
  SystemClock clock_;
  FakeMounter* mounter_ = nullptr;
  std::unique_ptr<SupervisedMounts> mounts_;
};

TEST_F(SupervisedMountsTest, AllCachesTogetherStayWithinTheLimit) {
  std::int64_t all = 0;
  for (int n = 0; n < 9; ++n) ASSERT_TRUE(attach(n, "user-" + std::to_string(n)));
  for (const MountPlace& place : mounter_->places) all += place.cache_bytes_max;
  EXPECT_EQ(mounter_->places.front().cache_bytes_max, kCache / 4);
  EXPECT_GE(mounter_->places.back().cache_bytes_max, kColdCacheShareMin);
  EXPECT_LE(all, kCache + kColdCacheShareMin);
  // What went is there for the next one.
  EXPECT_TRUE(detach(0, "user-0").value());
  ASSERT_TRUE(attach(0, "somebody-else"));
  EXPECT_GT(mounter_->places.back().cache_bytes_max, mounter_->places[8].cache_bytes_max);
}

TEST_F(SupervisedMountsTest, MountsOfAUserHaveOneCacheAndTheLastOneFreesIt) {
  ASSERT_TRUE(attach(1, "user"));
  ASSERT_TRUE(attach(2, "user"));
  EXPECT_EQ(mounter_->places[0].cache_bytes_max, mounter_->places[1].cache_bytes_max);
  EXPECT_TRUE(detach(1, "user").value());
  EXPECT_TRUE(mounter_->forgotten.empty());
  EXPECT_TRUE(detach(2, "user").value());
  EXPECT_EQ(mounter_->forgotten, std::vector<std::string>{"user"});
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(SupervisedMountsTest, WhatIsNotSentOrInUseStays) {
  ASSERT_TRUE(attach(1, "user"));
  mounter_->flushed = false;
  EXPECT_FALSE(detach(1, "user").value());
  mounter_->flushed = true;
  mounter_->busy = true;
  EXPECT_FALSE(detach(1, "user").value());
  EXPECT_TRUE(mounter_->forgotten.empty());
  const std::vector<ColdMount> left = {{.id = id(1), .user_id = "user"}};
  EXPECT_EQ(run_task(mounts_->list()).value(), left);
  // It is on its way out: nobody makes it again.
  mounter_->served.clear();
  EXPECT_TRUE(run_task(mounts_->find_broken()).empty());
  mounter_->busy = false;
  EXPECT_TRUE(detach(1, "user").value());
  EXPECT_TRUE(run_task(mounts_->list()).value().empty());
}

TEST_F(SupervisedMountsTest, WhatHasGoneIsMendedAndCounted) {
  ASSERT_TRUE(attach(1, "user"));
  ASSERT_TRUE(attach(2, "user"));
  mounter_->served.erase(id(1));
  const auto broken = run_task(mounts_->find_broken());
  // Neither is a mount that the kernel knows.
  EXPECT_EQ(broken.size(), 2U);
  mounter_->fails = true;
  EXPECT_FALSE(run_task(mounts_->mend(id(1))));
  mounter_->fails = false;
  EXPECT_TRUE(run_task(mounts_->mend(id(1))));
  EXPECT_TRUE(mounter_->served.contains(id(1)));
  EXPECT_TRUE(detach(2, "user").value());
  const auto made = mounter_->places.size();
  EXPECT_TRUE(run_task(mounts_->mend(id(2)))) << "gone meanwhile";
  EXPECT_EQ(mounter_->places.size(), made);
  const ColdTotals totals = mounts_->totals();
  EXPECT_EQ(totals.mounted, 1);
  EXPECT_EQ(totals.mounts, 2);
  EXPECT_EQ(totals.heals, 2) << "the other one for its flush";
  EXPECT_EQ(totals.heal_failures, 1);
  EXPECT_EQ(totals.refused_uploads, 7);
  EXPECT_EQ(mounts_->trouble(id(1)), "trouble of user");
  EXPECT_EQ(mounts_->trouble(id(2)), "");
}

TEST_F(SupervisedMountsTest, ANewLifeSendsWhatAnEarlierOneLeft) {
  ASSERT_TRUE(attach(1, "user"));
  begin_life();
  const std::vector<ColdMount> left = {{.id = id(1), .user_id = "user"}};
  EXPECT_EQ(run_task(mounts_->list()).value(), left);
  mounter_->flushed = false;
  EXPECT_FALSE(detach(1, "user").value());
  EXPECT_EQ(mounter_->places.size(), 1U) << "mounted, so that it is sent";
  mounter_->flushed = true;
  EXPECT_TRUE(detach(1, "user").value());
  EXPECT_EQ(mounter_->forgotten.size(), 1U);
  EXPECT_TRUE(detach(1, "user").value()) << "gone already";
}

TEST_F(SupervisedMountsTest, OneThatCannotGoOnIsNotMountedAgainToLeave) {
  mounter_->resumes = mounter_->shared = false;
  ASSERT_TRUE(attach(1, "user"));
  begin_life();
  mounter_->resumes = mounter_->shared = false;
  EXPECT_TRUE(detach(1, "user").value());
  EXPECT_TRUE(mounter_->places.empty());
  EXPECT_TRUE(fs::is_empty(root_));
}

}  // namespace
}  // namespace matrx
