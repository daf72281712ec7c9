#include "core/home_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace matrx {
namespace {

HomeNode file(int content, std::string writer = "sbx-a") {
  HomeNode node;
  node.size_bytes = node.modified_ns = content;
  node.tag = "t" + std::to_string(content);
  node.writer = std::move(writer);
  return node;
}
HomeNode local(int content) {
  HomeNode node = file(content, "");
  node.tag.clear();
  return node;
}
HomeNode folder() { return {.kind = NodeKind::folder, .mode = 0755}; }
HomeNode link(std::string target) { return {.kind = NodeKind::link, .target = std::move(target)}; }

using Paths = std::vector<std::string>;

TEST(HomePlan, NothingChangedNothingToDo) {
  const HomeTree base{{"a", file(1)}, {"d", folder()}, {"l", link("a")}};
  const HomeTree here{{"a", local(1)}, {"d", folder()}, {"l", link("a")}};
  const auto plan = plan_upload(base, here, base, "sbx-b");
  EXPECT_FALSE(plan.changes_objects());
  EXPECT_EQ(plan.result, base);
}

TEST(HomePlan, WhatChangedHereGoesUpAndWhatWentIsRemoved) {
  const HomeTree base{{"changed", file(1)}, {"gone", file(2)}, {"d", folder()}};
  const HomeTree here{{"changed", local(9)}, {"new", local(3)}, {"l", link("x")}};
  const auto plan = plan_upload(base, here, base, "sbx-b");
  EXPECT_EQ(plan.put, (Paths{"changed", "new"}));
  EXPECT_EQ(plan.remove, Paths{"gone"});
  EXPECT_TRUE(plan.set_aside.empty());
  EXPECT_EQ(plan.result.size(), 3U);
  EXPECT_EQ(plan.result.at("new").writer, "sbx-b");
}

TEST(HomePlan, WhatChangedThereStays) {
  const HomeTree base{{"a", file(1)}, {"gone", file(2)}};
  const HomeTree remote{{"a", file(5)}, {"new", file(6)}};
  const auto plan = plan_upload(base, {{"a", local(1)}, {"gone", local(2)}}, remote, "sbx-b");
  EXPECT_FALSE(plan.changes_objects());
  EXPECT_EQ(plan.result, remote);
}

TEST(HomePlan, OfTwoChangesTheLaterTakesTheNameAndTheEarlierStaysBeside) {
  const HomeTree remote{{"a", file(5, "sbx-a")}};
  const auto plan = plan_upload({{"a", file(1)}}, {{"a", local(7)}}, remote, "sbx-b");
  EXPECT_EQ(plan.set_aside, (decltype(plan.set_aside){{"a", "a.conflict-sbx-a"}}));
  EXPECT_EQ(plan.put, Paths{"a"});
  EXPECT_EQ(plan.result.at("a.conflict-sbx-a").tag, "t5");
  EXPECT_EQ(plan.result.at("a").writer, "sbx-b");
}

TEST(HomePlan, AConflictNeverTakesAnExistingName) {
  const HomeTree remote{{"a", file(5)}, {"a.conflict-sbx-a", file(6)}};
  const HomeTree here{{"a", local(7)}, {"a.conflict-sbx-a-2", local(8)}};
  const auto plan = plan_upload({{"a", file(1)}}, here, remote, "sbx-b");
  EXPECT_EQ(plan.set_aside[0].second, "a.conflict-sbx-a-3");
  EXPECT_EQ(plan.result.at("a.conflict-sbx-a").tag, "t6");
}

TEST(HomePlan, AChangeOutlivesARemoval) {
  const HomeTree base{{"a", file(1)}, {"b", file(2)}};
  const auto plan = plan_upload(base, {{"b", local(9)}}, {{"a", file(5)}}, "sbx-b");
  EXPECT_EQ(plan.result.at("a").tag, "t5");  // removed here, changed there
  EXPECT_EQ(plan.put, Paths{"b"});           // changed here, removed there
  EXPECT_TRUE(plan.remove.empty());
}

// A try that was cut off has sent a/b/x, and then the home has changed.
TEST(HomePlan, FoldersThatOnlyObjectsImplyLeaveNothingBehind) {
  HomeTree remote = merge_listing({}, {{"a/b/x", file(1, "")}});
  remote.at("a/b/x").writer = "sbx-b";
  const auto replaced = plan_upload({}, {{"a", local(3)}}, remote, "sbx-b");
  EXPECT_EQ(replaced.remove, Paths{"a/b/x"});
  EXPECT_EQ(replaced.result.size(), 1U);
  EXPECT_EQ(plan_upload({}, {}, remote, "sbx-b").result, HomeTree{});
  // Somebody else's object keeps its folders.
  remote.at("a/b/x").writer = "";
  EXPECT_EQ(plan_upload({}, {}, remote, "sbx-b").result, remote);
}

TEST(HomePlan, TheirFilesInAFolderThatBecameAFileHere) {
  const HomeTree base{{"d", folder()}, {"d/x", file(1)}};
  HomeTree remote = base;
  remote["d/new"] = file(5);
  const auto plan = plan_upload(base, {{"d", local(3)}}, remote, "sbx-b");
  EXPECT_EQ(plan.put, Paths{"d"});
  EXPECT_EQ(plan.set_aside, (decltype(plan.set_aside){{"d/new", "d.conflict-sbx-a/new"}}));
  EXPECT_EQ(plan.remove, (Paths{"d/new", "d/x"}));
  EXPECT_EQ(plan.result.at("d.conflict-sbx-a").kind, NodeKind::folder);
}

TEST(HomePlan, TheirFilesInAFolderThatWentHereBringItBack) {
  const HomeTree base{{"d", folder()}};
  const auto plan = plan_upload(base, {}, {{"d", folder()}, {"d/new", file(5)}}, "sbx-b");
  EXPECT_EQ(plan.result.at("d").kind, NodeKind::folder);
  EXPECT_EQ(plan.result.at("d/new").tag, "t5");
}

TEST(HomePlan, PermissionsAloneSendNoFile) {
  const HomeTree base{{"a", file(1)}};
  HomeTree here{{"a", local(1)}};
  here["a"].mode = 0600;
  const auto plan = plan_upload(base, here, base, "sbx-b");
  EXPECT_FALSE(plan.changes_objects());
  EXPECT_EQ(plan.result.at("a").mode, 0600U);
  EXPECT_EQ(plan.result.at("a").tag, "t1");
}

TEST(HomePlan, ListingAndManifestTogether) {
  HomeTree manifest{{"a", file(1)}, {"gone", file(2)}, {"d", folder()}, {"l", link("a")}};
  manifest["a"].mode = 0755;
  HomeTree listing{{"a", file(1, "")}, {"d/e/foreign", file(7, "")}, {"l/odd", file(8, "")}};
  const HomeTree merged = merge_listing(manifest, listing);
  EXPECT_EQ(merged.at("a").mode, 0755U);
  EXPECT_FALSE(merged.contains("gone"));
  EXPECT_EQ(merged.at("d/e").kind, NodeKind::folder);
  EXPECT_EQ(merged.at("d/e/foreign").writer, "");
  EXPECT_EQ(merged.at("l").kind, NodeKind::folder);
}

// --- Two sandboxes that do what they like, for many rounds: no content is ever lost ---

class TwoSandboxes {
 public:
  explicit TwoSandboxes(unsigned seed) : random_(seed) {}

  void run() {
    for (int step = 0; step < 60; ++step) {
      Box& box = boxes_[number(1)];
      switch (number(4)) {
        case 0:
          sync_up(box);  // a checkpoint
          break;
        case 1:
          sync_up(box);  // it ends, and its user's next sandbox begins
          box.base = box.home = remote_;
          break;
        default:
          edit(box);
          break;
      }
    }
  }

 private:
  struct Box {
    std::string id;
    HomeTree base, home;
  };

  int number(int max) { return std::uniform_int_distribution<int>(0, max)(random_); }
  std::string any_name() {
    static const Paths names{"a", "b", "d", "d/x", "d/y", "d/e", "d/e/z"};
    return names[static_cast<std::size_t>(number(6))];
  }

  void erase(Box& box, const std::string& path) {
    std::erase_if(box.home, [&](const auto& entry) {
      return entry.first == path || entry.first.starts_with(path + "/");
    });
  }

  void edit(Box& box) {
    const std::string path = any_name();
    if (number(3) == 0) return erase(box, path);
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string above = path.substr(0, slash);
      if (box.home.contains(above) && box.home.at(above).kind != NodeKind::folder) return;
      box.home[above] = folder();
    }
    if (path == "d/e" && number(1) == 0) {
      erase(box, path);
      box.home[path] = folder();
      return;
    }
    erase(box, path);
    box.home[path] = file(++last_content_, "");
  }

  void sync_up(Box& box) {
    HomeTree scanned = box.home;
    for (auto& [path, node] : scanned) node.tag.clear();
    const HomeTree before = remote_;
    UploadPlan plan = plan_upload(box.base, scanned, remote_, box.id);
    HomeTree objects;
    for (const auto& [path, node] : remote_) {
      if (node.kind == NodeKind::file) objects[path] = node;
    }
    for (const auto& [from, to] : plan.set_aside) objects[to] = objects.at(from);
    for (const auto& path : plan.put) {
      HomeNode& node = plan.result.at(path);
      node.tag = "t" + std::to_string(node.size_bytes);
      objects[path] = plan.next_base.at(path) = node;
    }
    for (const auto& path : plan.remove) objects.erase(path);
    remote_ = plan.result;
    check_objects(objects);
    check_nothing_lost(before, box);
    box.base = plan.next_base;
  }

  // The manifest and the objects are of one mind, and the tree is a tree.
  void check_objects(const HomeTree& objects) {
    for (const auto& [path, node] : remote_) {
      if (node.kind == NodeKind::file) {
        ASSERT_TRUE(objects.contains(path)) << path;
        EXPECT_EQ(objects.at(path).tag, node.tag) << path;
      }
      const auto slash = path.rfind('/');
      if (slash == std::string::npos) continue;
      ASSERT_TRUE(remote_.contains(path.substr(0, slash))) << path << " without its folder";
      EXPECT_EQ(remote_.at(path.substr(0, slash)).kind, NodeKind::folder) << path;
    }
    for (const auto& [path, node] : objects) EXPECT_TRUE(remote_.contains(path)) << path;
  }

  bool has(const HomeTree& tree, std::int64_t content) {
    return std::ranges::any_of(tree, [&](const auto& entry) {
      return entry.second.kind == NodeKind::file && entry.second.size_bytes == content;
    });
  }

  void check_nothing_lost(const HomeTree& before, const Box& box) {
    for (const auto& [path, node] : box.home) {
      if (node.kind != NodeKind::file) continue;
      // Ours is up, unless somebody else changed or removed what we had left as it was.
      const bool untouched =
          box.base.contains(path) && box.base.at(path).size_bytes == node.size_bytes;
      EXPECT_TRUE(untouched || has(remote_, node.size_bytes)) << path << " of " << box.id;
    }
    for (const auto& [path, node] : before) {
      if (node.kind != NodeKind::file) continue;
      // Theirs is still there, unless we knew exactly that content, and replaced or removed it.
      const bool known = box.base.contains(path) && box.base.at(path).tag == node.tag;
      EXPECT_TRUE(known || has(remote_, node.size_bytes)) << path << " in the store";
    }
  }

  std::mt19937 random_;
  Box boxes_[2] = {{"sbx-a", {}, {}}, {"sbx-b", {}, {}}};
  HomeTree remote_;
  int last_content_ = 0;
};

TEST(HomePlan, NoContentIsEverLost) {
  for (unsigned seed = 0; seed < 1000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TwoSandboxes(seed).run();
  }
}

}  // namespace
}  // namespace matrx
