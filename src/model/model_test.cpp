#include <gtest/gtest.h>

#include "model/folder_page.hpp"
#include "model/page_cursor.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

constexpr Status kAll[] = {Status::creating, Status::starting,      Status::ready,
                           Status::running,  Status::shutting_down, Status::stopped,
                           Status::failed,   Status::expired};

TEST(States, NothingFollowsAFinalState) {
  for (Status from : {Status::stopped, Status::failed, Status::expired}) {
    EXPECT_TRUE(is_final(from));
    for (Status to : kAll) EXPECT_FALSE(can_follow(from, to));
  }
}

TEST(States, EveryLivingStateCanBeShutDown) {
  for (Status from : kAll) EXPECT_EQ(can_follow(from, Status::shutting_down), !is_final(from));
}

TEST(States, NoWayBack) {
  EXPECT_FALSE(can_follow(Status::ready, Status::starting));
  EXPECT_FALSE(can_follow(Status::running, Status::ready));
  EXPECT_FALSE(can_follow(Status::shutting_down, Status::running));
  EXPECT_FALSE(can_follow(Status::ready, Status::expired));  // only through shutting_down
  EXPECT_FALSE(can_follow(Status::running, Status::failed));
}

TEST(Names, GoBothWays) {
  for (Status status : kAll) EXPECT_EQ(parse_status(status_name(status)), status);
  for (StopReason reason : {StopReason::user_requested, StopReason::expired, StopReason::error,
                            StopReason::graceful_shutdown, StopReason::admin, StopReason::lost}) {
    EXPECT_EQ(parse_stop_reason(stop_reason_name(reason)), reason);
  }
  EXPECT_FALSE(parse_status("READY"));
  EXPECT_FALSE(parse_stop_reason(""));
}

TEST(PageCursor, GoesBothWays) {
  SeededRandom random(1);
  Sandbox row;
  row.id = SandboxId::make(random);
  row.created_at = from_unix_ms(1'700'000'000'123);
  const auto parsed = PageCursor::parse(PageCursor::at(row).text());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->created_at, row.created_at);
  EXPECT_EQ(parsed->id, row.id);
  EXPECT_FALSE(parsed->is_before(row));
}

TEST(PageCursor, RefusesWhatIsNotOurs) {
  for (const char* text :
       {"", ".", "x.sbx-0123456789ab", "12", "12.sbx-1", "12.sbx-0123456789ab "}) {
    EXPECT_FALSE(PageCursor::parse(text)) << text;
  }
}

// A folder may have a million entries: only those of the page are worth a look.
TEST(FolderPage, WantsOnlyWhatItKeeps) {
  const FolderQuery query{.folder = "d", .after = "b", .entries_max = 2};
  FolderPageMaker page(query);
  EXPECT_FALSE(page.wants("d/a"));
  EXPECT_FALSE(page.wants("d/b"));
  for (const char* path : {"d/x", "d/e"}) {
    EXPECT_TRUE(page.wants(path));
    page.add(path, {});
  }
  EXPECT_FALSE(page.wants("d/y"));
  EXPECT_TRUE(page.wants("d/c"));
  page.add("d/c", {});
  const FolderPage made = page.take();
  EXPECT_TRUE(made.truncated);
  EXPECT_EQ(made.entries.size(), 2U);
  EXPECT_TRUE(made.entries.contains("d/c") && made.entries.contains("d/e"));
}

}  // namespace
}  // namespace matrx
