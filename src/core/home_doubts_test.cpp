#include "core/home_doubts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/home_plan.hpp"

namespace matrx {
namespace {

const std::string kId = "sbx-a";

// A file of that content: its size, the moment of its change, and where it is stored its tag.
HomeNode stored(int size, int moment, std::string writer = kId) {
  HomeNode node;
  node.size_bytes = size;
  node.modified_ns = node.changed_ns = moment;
  node.tag = std::to_string(size) + "@" + std::to_string(moment);
  node.writer = std::move(writer);
  return node;
}
HomeNode here(int size, int moment) {
  HomeNode node = stored(size, moment, "");
  node.tag.clear();
  return node;
}
HomeNode a_folder() { return {.kind = NodeKind::folder, .mode = 0755}; }
HomeNode a_link(std::string target) {
  return {.kind = NodeKind::link, .target = std::move(target)};
}

using Renames = decltype(HomeDoubts::beside);

struct Judged {
  HomeDoubts doubts;
  UploadPlan plan;
};

Judged judge(const HomeTree& base, HomeTree local, const HomeTree& remote,
             std::set<std::string> holed = {}) {
  HomeScan scan{.tree = std::move(local), .is_after_restart = true, .holed = std::move(holed)};
  Judged judged{.doubts = doubt_after_crash(base, remote, scan, kId), .plan = {}};
  judged.plan = plan_upload(base, scan.tree, remote, kId);
  keep_replaced(judged.plan, remote, scan.tree, kId);
  return judged;
}

TEST(HomeDoubts, NothingThatIsMissingOrEmptyIsWanted) {
  const HomeTree base{{"a", stored(5, 10)},
                      {"b", stored(5, 10)},
                      {"d", a_folder()},
                      {"d/c", stored(5, 10)},
                      {"l", a_link("a")}};
  const auto judged = judge(base, {{"a", here(0, 20)}}, base);
  EXPECT_FALSE(judged.plan.changes_objects());
  EXPECT_EQ(judged.plan.result.size(), base.size());
  EXPECT_EQ(judged.doubts.kept, 5U);
  EXPECT_TRUE(judged.doubts.beside.empty());
}

TEST(HomeDoubts, TheVeryChangeThatWasStoredIsWholeThere) {
  const HomeTree base{{"a", stored(5, 10)}, {"b", stored(5, 10)}};
  const auto judged = judge(base, {{"a", here(2, 10)}, {"b", here(9, 10)}}, base);
  EXPECT_FALSE(judged.plan.changes_objects());
  EXPECT_EQ(judged.doubts.kept, 2U);
}

TEST(HomeDoubts, WhatIsShorterOlderOrHoledIsKeptBeside) {
  const HomeTree base{{"holed", stored(5, 10)}, {"older", stored(5, 10)}, {"short", stored(5, 10)}};
  const auto judged =
      judge(base, {{"holed", here(8, 20)}, {"older", here(8, 4)}, {"short", here(3, 20)}}, base,
            {"holed"});
  const Renames beside{{"holed", "holed.conflict-sbx-a"},
                       {"older", "older.conflict-sbx-a"},
                       {"short", "short.conflict-sbx-a"}};
  EXPECT_EQ(judged.doubts.beside, beside);
  EXPECT_EQ(judged.plan.put,
            (std::vector<std::string>{"holed.conflict-sbx-a", "older.conflict-sbx-a",
                                      "short.conflict-sbx-a"}));
  EXPECT_EQ(judged.plan.result.at("short").tag, "5@10");
  EXPECT_TRUE(judged.plan.remove.empty());
}

TEST(HomeDoubts, AChangeTakesTheNameAndWhatWasStoredStaysBeside) {
  const HomeTree base{{"a", stored(5, 10)}, {"e", stored(0, 10)}};
  const auto judged =
      judge(base, {{"a", here(5, 20)}, {"e", here(0, 20)}, {"n", here(0, 20)}}, base);
  EXPECT_EQ(judged.doubts.kept, 0U);
  EXPECT_EQ(judged.plan.put, (std::vector<std::string>{"a", "e", "n"}));
  EXPECT_EQ(judged.plan.set_aside, (Renames{{"a", "a.conflict-sbx-a"}}));
  EXPECT_EQ(judged.plan.result.at("a.conflict-sbx-a").tag, "5@10");
  EXPECT_EQ(judged.plan.result.at("a.conflict-sbx-a").writer, "");
}

// The copy was made, and then the storage did not answer.
TEST(HomeDoubts, ACopyOfAnEarlierTryIsUsedAgain) {
  const HomeTree base{{"a", stored(5, 10)}};
  HomeTree remote = base;
  remote["a.conflict-sbx-a"] = stored(5, 30, "");
  const auto judged = judge(base, {{"a", here(6, 20)}}, remote);
  EXPECT_TRUE(judged.plan.set_aside.empty());
  EXPECT_EQ(judged.plan.result.size(), 2U);
}

TEST(HomeDoubts, ASyncThatWasCutOffCountsAsStored) {
  HomeTree remote{{"a", stored(9, 20)}, {"new", stored(4, 20)}};
  for (auto& [path, node] : remote) node.changed_ns = 0;  // nobody has noted it here
  const auto judged = judge({{"a", stored(5, 10)}}, {{"a", here(7, 15)}}, remote);
  EXPECT_EQ(judged.doubts.beside, (Renames{{"a", "a.conflict-sbx-a"}}));
  EXPECT_EQ(judged.plan.put, std::vector<std::string>{"a.conflict-sbx-a"});
  EXPECT_EQ(judged.plan.result.at("a").tag, "9@20");
  EXPECT_EQ(judged.plan.result.at("new").tag, "4@20");
}

TEST(HomeDoubts, AnotherKindMovesAsideWithAllThatIsInIt) {
  const HomeTree base{{"d", a_folder()}, {"d/x", stored(5, 10)}, {"f", stored(5, 10)}};
  const auto judged =
      judge(base, {{"d", here(3, 20)}, {"f", a_folder()}, {"f/y", here(4, 20)}}, base);
  EXPECT_EQ(judged.doubts.beside, (Renames{{"d", "d.conflict-sbx-a"}, {"f", "f.conflict-sbx-a"}}));
  EXPECT_EQ(judged.plan.put, (std::vector<std::string>{"d.conflict-sbx-a", "f.conflict-sbx-a/y"}));
  EXPECT_EQ(judged.plan.result.at("d/x").tag, "5@10");
  EXPECT_EQ(judged.plan.result.at("f").tag, "5@10");
}

TEST(HomeDoubts, NamesBesideAreFreeAndNotTooLong) {
  const std::string long_name(250, 'x');
  const HomeTree base{{"a", stored(5, 10)}, {long_name, stored(5, 10)}};
  HomeTree remote = base;
  remote["a.conflict-sbx-a"] = stored(1, 1, "");
  const auto judged = judge(base, {{"a", here(3, 20)}, {long_name, here(3, 20)}}, remote);
  EXPECT_EQ(judged.doubts.beside[0].second, "a.conflict-sbx-a-2");
  EXPECT_EQ(judged.doubts.beside[1].second.size(), 255U);
}

// --- Whatever a crash leaves of a home: nothing that is stored is lost or replaced by less ---

class PowerLoss {
 public:
  explicit PowerLoss(unsigned seed) : random_(seed) {}

  void run() {
    give();
    work();
    tear();
    const HomeTree before = remote_;
    const Judged judged = judge(base_, local_, remote_, holed_);
    for (const auto& [from, to] : judged.doubts.beside) rename(from, to);
    check(before, judged.plan);
  }

 private:
  int number(int max) { return std::uniform_int_distribution<int>(0, max)(random_); }

  void give() {
    for (const char* name : {"a", "b", "c", "d/x", "d/y", "e"}) {
      if (number(4) == 0) continue;
      remote_[name] = base_[name] = stored(1 + number(9), ++moment_);
      if (base_[name].size_bytes > 0 && std::string(name).starts_with("d/")) {
        remote_["d"] = base_["d"] = a_folder();
      }
    }
    for (const auto& [path, node] : base_) {
      local_[path] = node;
      local_[path].tag.clear();
      local_[path].writer.clear();
    }
  }

  void work() {
    for (const char* name : {"a", "b", "c", "d/x", "e", "n"}) {
      if (number(1) == 0) continue;
      if (std::string(name) == "d/x" && !local_.contains("d")) continue;
      older_[name] = local_.contains(name) ? local_[name] : here(0, 0);
      local_[name] = here(number(12), ++moment_);
      if (number(3) != 0) continue;
      // A checkpoint has sent it, and was cut off before it could note that here.
      remote_[name] = local_[name];
      remote_[name].tag = "cut-" + std::to_string(moment_);
      remote_[name].writer = kId;
      remote_[name].changed_ns = 0;
    }
    if (number(2) == 0) remote_["b"] = stored(7, ++moment_, "sbx-b");  // somebody else's
  }

  // What the last half a minute may look like after a crash.
  void tear() {
    for (const auto& [path, node] : HomeTree(local_)) {
      if (node.kind != NodeKind::file) continue;
      HomeNode& file = local_[path];
      switch (number(6)) {
        case 0:
          local_.erase(path);
          break;
        case 1:
          if (file.size_bytes > 0) torn_.insert(path);
          file.size_bytes = 0;
          break;
        case 2:
          if (file.size_bytes > 1) {
            torn_.insert(path);
            --file.size_bytes;
          }
          break;
        case 3:
          if (file.size_bytes > 0) {
            torn_.insert(path);
            holed_.insert(path);
          }
          break;
        case 4:
          if (older_.contains(path) && older_[path].modified_ns > 0) {
            file = older_[path];
            torn_.insert(path);
          }
          break;
        default:
          break;
      }
    }
  }

  void rename(const std::string& from, const std::string& to) {
    ASSERT_TRUE(local_.contains(from)) << from;
    ASSERT_FALSE(local_.contains(to)) << to;
    auto node = local_.extract(from);
    node.key() = to;
    local_.insert(std::move(node));
    if (torn_.erase(from) > 0) torn_.insert(to);
  }

  void check(const HomeTree& before, const UploadPlan& plan) {
    EXPECT_TRUE(plan.remove.empty()) << plan.remove.front();
    for (const auto& path : plan.put) {
      ASSERT_TRUE(local_.contains(path)) << path << " is not on the disk";
      // One that was cut off beyond the stored length shows nothing of that.
      const bool is_safe = !before.contains(path) || kept(plan, path);
      EXPECT_TRUE(is_safe || before.at(path).size_bytes == 0) << path << " is replaced";
    }
    for (const auto& [path, node] : before) {
      if (node.kind != NodeKind::file || node.size_bytes == 0) continue;
      const bool is_there = std::ranges::any_of(
          plan.result, [&](const auto& entry) { return entry.second.tag == node.tag; });
      EXPECT_TRUE(is_there || kept(plan, path)) << path << " is gone";
      EXPECT_TRUE(plan.result.contains(path)) << path << " has no name";
    }
  }

  static bool kept(const UploadPlan& plan, const std::string& path) {
    return std::ranges::any_of(plan.set_aside,
                               [&](const auto& pair) { return pair.first == path; });
  }

  std::mt19937 random_;
  HomeTree base_, local_, remote_;
  HomeTree older_;
  std::set<std::string> torn_, holed_;
  int moment_ = 0;
};

TEST(HomeDoubts, NothingStoredIsLostByAPowerLoss) {
  for (unsigned seed = 0; seed < 5000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PowerLoss(seed).run();
  }
}

}  // namespace
}  // namespace matrx
