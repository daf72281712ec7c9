// A registry on a disk that others have filled to the last byte.

#include "adapters/sqlite/room.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "adapters/sqlite/sqlite_store.hpp"
#include "fakes/run_task.hpp"
#include "fakes/small_disk.hpp"

namespace matrx {
namespace {

constexpr int kChanges = 500;

class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.is_there()) GTEST_SKIP() << "no right to mount";
    open();
  }

  void open() {
    store_ = std::make_unique<SqliteStore>(disk_.path("registry.db"), clock_);
    ASSERT_TRUE(run_task(io_, store_->open()));
  }

  Sandbox new_row() {
    Sandbox row;
    row.id = SandboxId::make(random_);
    row.user_id = "user-1";
    row.installation = "inst-1";
    row.created_at = row.updated_at = clock_.now();
    row.expires_at = row.created_at + seconds(60);
    return run_task(io_, store_->insert(row, {.type = "created"}, {})).value().row;
  }

  SmallDisk disk_{"size=24m"};
  SystemClock clock_;
  SystemRandom random_;
  asio::io_context io_{1};
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(FullDisk, ChangesAreWrittenAllTheSame) {
  Sandbox row = new_row();
  disk_.fill();
  for (int i = 0; i < kChanges; ++i) {
    row.status_detail = "change " + std::to_string(i);
    auto changed = run_task(io_, store_->update(row, clock_.now(), {.type = "changed"}));
    ASSERT_TRUE(changed) << i << " " << changed.error().internal;
    row = *std::move(changed);
  }
  EXPECT_TRUE(run_task(io_, store_->ping()));
  EXPECT_TRUE(run_task(io_, store_->announce("inst-1", "host")));
}

TEST_F(FullDisk, AStartNeedsNoRoom) {
  const Sandbox row = new_row();
  store_.reset();
  disk_.fill();
  open();
  EXPECT_EQ(run_task(io_, store_->get(row.id)).value().id, row.id);
  EXPECT_TRUE(run_task(io_, store_->announce("inst-1", "host")));
}

TEST_F(FullDisk, TheLogIsEmptyAndKeepsItsRoomWhenItIsClosed) {
  new_row();
  store_.reset();
  const std::filesystem::path log = disk_.path("registry.db-wal");
  EXPECT_EQ(std::filesystem::file_size(log), 0U);
  struct stat info{};
  ASSERT_EQ(::stat(log.c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, sqlite::kLogBytes);
  open();
  EXPECT_EQ(run_task(io_, store_->count_active("inst-1")).value(), 1);
}

TEST_F(FullDisk, WhatHasUsedUpItsRoomSaysThatItIsFull) {
  Sandbox row = new_row();
  disk_.fill();
  row.config_json = "{\"a\":\"" + std::string(60'000, 'x') + "\"}";
  Result<Inserted> inserted;
  for (int i = 0; i < kChanges && inserted; ++i) {
    row.id = SandboxId::make(random_);
    inserted = run_task(io_, store_->insert(row, {.type = "created"}, {}));
  }
  ASSERT_FALSE(inserted);
  EXPECT_EQ(inserted.error().code, Code::exhausted) << inserted.error().internal;
}

}  // namespace
}  // namespace matrx
