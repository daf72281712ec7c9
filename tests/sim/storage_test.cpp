// What users' storage, large files and forgotten homes promise, on virtual time.

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"
#include "sim/orchestrator_life.hpp"

namespace matrx {
namespace {

// Mounts that a test breaks; they never hold anything.
struct FakeCold : NoColdMounts {
  std::optional<ColdBind> bind(const SandboxId&, const std::string&) const override {
    return ColdBind{.source = "/cold"};
  }
  Task<Result<void>> attach(SandboxId id, std::string user_id) override {
    attached[id] = std::move(user_id);
    co_return Result<void>();
  }
  Task<Result<bool>> detach(SandboxId id, std::string, milliseconds) override {
    if (!flushed) co_return false;
    attached.erase(id);
    co_return true;
  }
  Task<Result<std::vector<ColdMount>>> list() override {
    std::vector<ColdMount> all;
    for (const auto& [id, user] : attached) all.push_back({.id = id, .user_id = user});
    co_return all;
  }
  Task<std::vector<ColdMount>> find_broken() override {
    std::vector<ColdMount> all;
    for (const SandboxId& id : broken) all.push_back({.id = id, .user_id = "user"});
    co_return all;
  }
  Task<Result<void>> mend(SandboxId id) override {
    ++mends;
    co_await clock->sleep(mend_takes);
    broken.erase(id);
    co_return Result<void>();
  }
  std::string trouble(const SandboxId&) const override { return words; }

  Clock* clock = nullptr;
  bool flushed = true;
  milliseconds mend_takes{0};
  int mends = 0;
  std::string words;
  std::set<SandboxId> broken;
  std::map<SandboxId, std::string> attached;
};

class StorageSim : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    cold_.clock = &world_.clock;
    begin_life();
  }
  void begin_life(milliseconds stray_patience = {}) {
    life_.reset();
    OrchestratorLife::Options options;
    options.stray_home_patience = stray_patience;
    options.cold = &cold_;
    life_ = std::make_unique<OrchestratorLife>(world_, ++seed_, options);
  }
  Sandbox create() {
    CreateSpec spec;
    spec.user_id = "user";
    return life_->await(life_->core().create(std::move(spec), {"test"})).value();
  }
  void destroy(const SandboxId& id) {
    ASSERT_TRUE(
        life_->await(life_->core().destroy(id, true, StopReason::user_requested, {"test"})));
  }
  void destroy_later(const SandboxId& id) {
    auto task = [](Core& core, SandboxId one) -> Task<void> {
      EXPECT_TRUE(co_await core.destroy(one, false, StopReason::user_requested, {"test"}));
    };
    life_->spawn(task(life_->core(), id));
  }
  void write(const SandboxId& id, const std::string& path) {
    world_.homes[id].tree[path] = {.modified_ns = 1, .size_bytes = 1};
  }
  // As a process with its registry in memory has it after its restart.
  void forget_the_registry() {
    std::destroy_at(&world_.rows);
    std::construct_at(&world_.rows, world_.clock);
  }
  bool has(const std::string& path) { return world_.objects["user"][Tier::hot].contains(path); }
  std::string list(const std::string& folder, const std::string& after, std::size_t limit) {
    FolderQuery query{.folder = folder, .after = after, .entries_max = limit};
    const StoragePlace place{.user_id = "user", .tier = Tier::hot};
    const auto page = life_->await(life_->core().user_storage().list(place, std::move(query)));
    if (!page) return page.error().message;
    std::string line;
    for (const auto& [path, node] : page->entries) {
      line += path;
      line += node.kind == NodeKind::folder ? "/ " : node.kind == NodeKind::link ? "@ " : " ";
    }
    return line + (page->truncated ? "…" : "");
  }

  SimWorld world_{1};
  FakeCold cold_;
  std::unique_ptr<OrchestratorLife> life_;
  std::uint64_t seed_ = 0;
};

TEST_F(StorageSim, AForgottenHomeIsSavedAndThenRemoved) {
  const SandboxId id = create().id;
  write(id, "work");
  life_.reset();
  forget_the_registry();
  world_.containers.clear();
  world_.faults.storage_fails = 0.4;
  world_.faults.storage_loses = 0.4;
  world_.faults.store_fails = 0.2;
  begin_life();
  life_->run_for(seconds(60));
  world_.faults = {};
  life_->run_for(seconds(400));
  EXPECT_TRUE(has("work"));
  EXPECT_FALSE(world_.homes.contains(id));
  EXPECT_EQ(life_->core().unsaved_homes(), 0);
  const SandboxId next = create().id;
  EXPECT_TRUE(world_.homes[next].tree.contains("work"));
}

TEST_F(StorageSim, AForgottenHomeIsNeverTouchedWhileItsContainerIsThere) {
  const SandboxId id = create().id;
  life_.reset();
  forget_the_registry();
  begin_life();
  life_->run_for(seconds(300));
  write(id, "late");  // its programs live on
  EXPECT_TRUE(world_.homes.contains(id));
  world_.end_container(id, 0);
  life_->run_for(seconds(300));
  EXPECT_TRUE(world_.homes.contains(id)) << "an ended container may be started again";
  world_.containers.clear();
  life_->run_for(seconds(60));
  EXPECT_TRUE(has("late"));
  EXPECT_FALSE(world_.homes.contains(id));
}

TEST_F(StorageSim, ACreateWaitsForTheForgottenHomeOfItsUser) {
  const SandboxId id = create().id;
  write(id, "work");
  life_.reset();
  forget_the_registry();
  world_.containers.clear();
  world_.faults.storage_fails = 1;
  begin_life();
  life_->run_for(seconds(1));
  CreateSpec spec;
  spec.user_id = "user";
  const auto refused = life_->await(life_->core().create(std::move(spec), {"test"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_TRUE(refused.error().message.contains(id.text()));
  EXPECT_EQ(life_->core().unsaved_homes(), 1);
  EXPECT_TRUE(world_.homes.contains(id));
  world_.faults = {};
  life_->run_for(seconds(400));
  EXPECT_TRUE(world_.homes[create().id].tree.contains("work"));
}

TEST_F(StorageSim, ACreateDoesNotWaitForThePauseOfASaveThatFailed) {
  const SandboxId id = create().id;
  write(id, "work");
  world_.faults.storage_fails = 1;
  destroy(id);
  life_->run_for(seconds(1000));  // the next try is minutes away
  EXPECT_FALSE(has("work"));
  world_.faults = {};
  EXPECT_TRUE(world_.homes[create().id].tree.contains("work"));
}

// There is always one more home on its way: those that were left later are not waited for.
TEST_F(StorageSim, ACreateIsNotStarvedByOthersThatEnd) {
  std::vector<SandboxId> others;
  for (int i = 0; i < 60; ++i) others.push_back(create().id);
  world_.faults.delay_max = milliseconds(300);
  destroy_later(others.back());
  others.pop_back();
  life_->run_for(seconds(1));
  std::optional<bool> made;
  auto create_one = [&]() -> Task<void> {
    CreateSpec spec;
    spec.user_id = "user";
    const auto row = co_await life_->core().create(std::move(spec), {"test"});
    EXPECT_TRUE(row) << row.error().message;
    made = row.has_value();
  };
  life_->spawn(create_one());
  for (const SandboxId& other : others) {
    destroy_later(other);
    life_->run_for(milliseconds(100));
  }
  life_->run_for(seconds(200));
  EXPECT_EQ(made, true);
}

TEST_F(StorageSim, ACheckpointOfAHomeInMotionTakesWhatIsNewAndRemovesNothing) {
  const SandboxId id = create().id;
  for (int n = 0; n < 20; ++n) write(id, "old-" + std::to_string(n));
  life_->run_for(seconds(200));
  EXPECT_TRUE(has("old-19"));
  world_.faults.scans_miss = 1;
  write(id, "new");
  world_.homes[id].tree.erase("old-0");
  life_->run_for(seconds(1200));
  EXPECT_TRUE(has("new"));
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(has("old-" + std::to_string(n))) << n;
  world_.faults = {};
  life_->run_for(seconds(200));
  EXPECT_FALSE(has("old-0")) << "at a quiet moment what is missing was removed";
  EXPECT_TRUE(has("old-1"));
}

TEST_F(StorageSim, AnotherInstallationsHomeIsLeftAlone) {
  const SandboxId id = create().id;
  write(id, "work");
  life_.reset();
  forget_the_registry();
  world_.containers.clear();
  world_.homes[id].made_by = "inst-of-somebody-else";
  begin_life();
  life_->run_for(seconds(600));
  EXPECT_TRUE(world_.homes.contains(id));
  EXPECT_FALSE(has("work"));
}

TEST_F(StorageSim, ARegistryThatIsWrongByMistakeDoesNoHarm) {
  const SandboxId id = create().id;
  write(id, "work");
  life_.reset();
  forget_the_registry();
  world_.containers.clear();
  begin_life(seconds(600));
  life_->run_for(seconds(590));
  EXPECT_TRUE(world_.homes.contains(id));
  EXPECT_FALSE(has("work"));
  life_->run_for(seconds(60));
  EXPECT_FALSE(world_.homes.contains(id));
  EXPECT_TRUE(has("work"));
}

TEST_F(StorageSim, WhatWasNeverCompleteIsRemoved) {
  const SandboxId id = SandboxId::parse("sbx-0123456789ab").value();
  world_.homes[id] = {.installation = kSimInstallation, .user_id = "user"};
  write(id, "half of it");
  life_->run_for(seconds(60));
  EXPECT_FALSE(world_.homes.contains(id));
  EXPECT_FALSE(has("half of it"));
}

TEST_F(StorageSim, AHostThatLostItsPowerTakesNothingFromTheStorage) {
  const SandboxId id = create().id;
  for (const char* path : {"empty", "gone", "changed", "same"}) write(id, path);
  life_->run_for(seconds(120));  // a checkpoint
  ASSERT_TRUE(has("same"));
  SimHome& home = world_.homes[id];
  home.tree["empty"] = {.modified_ns = 2, .size_bytes = 0};
  home.tree.erase("gone");
  home.tree["changed"] = {.modified_ns = 3, .size_bytes = 3};
  home.is_after_restart = true;
  world_.containers.erase(id);
  begin_life();
  life_->run_for(seconds(120));
  EXPECT_FALSE(world_.homes.contains(id));
  for (const char* path : {"empty", "gone", "changed", "same"}) EXPECT_TRUE(has(path)) << path;
  const HomeTree& stored = world_.objects["user"][Tier::hot];
  EXPECT_EQ(stored.at("empty").modified_ns, 1);
  EXPECT_EQ(stored.at("changed").modified_ns, 3);
  EXPECT_EQ(stored.at("changed.conflict-" + id.text()).modified_ns, 1);
  const Sandbox row = run_task(world_.rows.get(id)).value();
  EXPECT_EQ(row.storage_state, StorageState::saved);
  EXPECT_NE(row.storage_detail.find("started anew"), std::string::npos) << row.storage_detail;
}

TEST_F(StorageSim, AFolderIsListedWithWhatObjectsDoNotKnow) {
  const SandboxId id = create().id;
  for (const char* path : {"a", "d/b", "d/deep/er", "d.txt", "z"}) write(id, path);
  HomeTree& tree = world_.homes[id].tree;
  tree["d"] = tree["d/deep"] = tree["d/hollow"] =
      tree["hollow"] = {.kind = NodeKind::folder, .mode = 0700};
  tree["link"] = {.kind = NodeKind::link, .target = "a"};
  destroy(id);
  world_.objects["user"][Tier::hot]["by others/x"] = {.size_bytes = 1};
  EXPECT_EQ(list("", "", 100), "a by others/ d/ d.txt hollow/ link@ z ");
  EXPECT_EQ(list("d", "", 100), "d/b d/deep/ d/hollow/ ");
  EXPECT_EQ(list("d/hollow", "", 100), "");
  EXPECT_EQ(list("none", "", 100), "There is no such file.");
  EXPECT_EQ(list("a", "", 100), "There is no such file.");
  std::string all;
  FolderQuery query{.entries_max = 2};
  for (bool more = true; more;) {
    const StoragePlace place{.user_id = "user", .tier = Tier::hot};
    const auto page = life_->await(life_->core().user_storage().list(place, query)).value();
    for (const auto& [path, node] : page.entries) all += path + " ";
    more = page.truncated;
    query.after = page.entries.rbegin()->first;
  }
  EXPECT_EQ(all, "a by others d d.txt hollow link z ");
  const auto& totals = life_->core().user_storage().totals();
  EXPECT_EQ(totals.list_failures, 2);
}

TEST_F(StorageSim, WhatIsStillMountedIsNotDeleted) {
  const SandboxId id = create().id;
  cold_.flushed = false;
  destroy(id);
  const auto remove = [&](std::vector<Tier> tiers) {
    return life_->await(life_->core().user_storage().remove("user", std::move(tiers), {"test"}));
  };
  EXPECT_EQ(remove({Tier::cold}).error().code, Code::conflict);
  EXPECT_EQ(remove({Tier::hot, Tier::cold}).error().code, Code::conflict);
  EXPECT_TRUE(remove({Tier::hot}));
  cold_.flushed = true;
  life_->run_for(seconds(60));
  EXPECT_TRUE(remove({Tier::cold}));
  EXPECT_EQ(life_->core().user_storage().totals().deletion_failures, 2);
}

TEST_F(StorageSim, MountsAreMendedSideBySide) {
  for (int n = 0; n < 4; ++n) cold_.broken.insert(create().id);
  cold_.mend_takes = seconds(20);
  life_->run_for(seconds(22));
  EXPECT_TRUE(cold_.broken.empty());
  EXPECT_EQ(cold_.mends, 4);
}

TEST_F(StorageSim, WhatDoesNotReachTheStorageIsToldInTheRow) {
  const SandboxId id = create().id;
  const auto detail = [&] { return run_task(world_.rows.get(id)).value().storage_detail; };
  cold_.words = "Large files stay here.";
  life_->run_for(seconds(10));
  EXPECT_EQ(detail(), "Large files stay here.");
  cold_.words.clear();
  life_->run_for(seconds(10));
  EXPECT_EQ(detail(), "");
}

TEST_F(StorageSim, MountsOfForgottenSandboxesGoWhenNothingRunsInThem) {
  const SandboxId id = create().id;
  life_.reset();
  forget_the_registry();
  begin_life();
  life_->run_for(seconds(120));
  EXPECT_TRUE(cold_.attached.contains(id)) << "its container is there";
  world_.containers.clear();
  life_->run_for(seconds(60));
  EXPECT_FALSE(cold_.attached.contains(id));
}

}  // namespace
}  // namespace matrx
