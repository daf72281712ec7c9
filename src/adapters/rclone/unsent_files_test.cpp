#include "adapters/rclone/unsent_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.hpp"
#include "wire/json.hpp"

namespace matrx::rclone {
namespace {

namespace fs = std::filesystem;

std::string note(int size, const std::string& ranges, bool dirty = true) {
  return R"({"ModTime":"2026-01-02T03:04:05Z","Size":)" + std::to_string(size) + R"(,"Rs":)" +
         ranges + R"(,"Fingerprint":"f","Dirty":)" + (dirty ? "true}" : "false}");
}
std::string range(int begin, int size) {
  return R"([{"Pos":)" + std::to_string(begin) + R"(,"Size":)" + std::to_string(size) + "}]";
}

class UnsentFiles : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(cache_); }
  void TearDown() override { fs::remove_all(cache_); }
  void put(const std::string& path, const std::string& text, const std::string& data) {
    ASSERT_TRUE(replace_file((cache_ / "vfsMeta/s3{X}/bucket/u" / path).string(), text));
    ASSERT_TRUE(replace_file((cache_ / "vfs/s3{X}/bucket/u" / path).string(), data));
  }
  std::string noted(const std::string& path) const {
    return **read_file((cache_ / "vfsMeta/s3{X}/bucket/u" / path).string(), 1000);
  }

  // Of this process: others run beside it.
  fs::path cache_ =
      fs::path(testing::TempDir()) / ("matrx-unsent-files-" + std::to_string(::getpid()));
};

TEST_F(UnsentFiles, AreThoseThatRcloneHasNotedSo) {
  put("late", note(5, range(0, 5)), "12345");
  put("a/b c/late", note(5, range(0, 5)), "12345");
  put("sent", note(5, range(0, 5), false), "12345");
  put("empty", note(0, "null"), "");
  put("begins-elsewhere", note(5, range(3, 2)), "12345");
  put("cut-off", R"({"Size":5,"Rs":[)", "12345");
  put("nothing", "", "12345");
  auto found = unsent_files((cache_ / "vfsMeta/s3{X}/bucket/u").string());
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<std::string>{"a/b c/late", "late"}));
  EXPECT_TRUE(unsent_files((cache_ / "missing").string()).empty());
}

TEST_F(UnsentFiles, AreKnownAsTheyAreWhereAllOfThemWasHere) {
  put("new", note(0, "null"), "12345");
  put("longer", note(3, range(0, 3)), "12345");
  put("shorter", note(9, range(0, 9)), "12345");
  const std::vector<std::pair<std::string, std::string>> others = {
      {"right", note(5, range(0, 5))},
      {"part-of-an-object", note(9, range(0, 3))},
      {"end-of-an-object", note(5, range(3, 2))},
      {"sent", note(0, "null", false)}};
  for (const auto& [path, text] : others) put(path, text, "12345");
  mend_notes(cache_.string(), "bucket/u");
  for (const char* path : {"new", "longer", "shorter"}) {
    EXPECT_EQ(noted(path), note(5, range(0, 5))) << path;
  }
  for (const auto& [path, text] : others) EXPECT_EQ(noted(path), text) << path;
  EXPECT_TRUE(mend_notes((cache_ / "missing").string(), "bucket/u").empty());
}

TEST_F(UnsentFiles, WhoseNotesSayNothingAreNotedAnew) {
  put("a/b c", "", "12345");
  put("whole", note(5, range(0, 5)), "12345");
  const auto found = mend_notes(cache_.string(), "bucket/u");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "a/b c");
  note_as_unsent(found[0]);
  EXPECT_TRUE(mend_notes(cache_.string(), "bucket/u").empty());
  const auto again = json::parse(noted("a/b c"));
  ASSERT_TRUE(again && again->is_object());
  EXPECT_TRUE(json::flag_at(again->get_object(), "Dirty"));
  EXPECT_EQ(json::integer_at(again->get_object(), "Size"), 5);
  EXPECT_EQ(unsent_files((cache_ / "vfsMeta/s3{X}/bucket/u").string()).size(), 2U);
}

TEST_F(UnsentFiles, ThatLostBytesInACrashTakeNoName) {
  EXPECT_TRUE(set_doubtful_aside(cache_.string(), "bucket/u", "boot-1").empty());
  put("empty", note(5, range(0, 5)), "");
  put("short", note(9, range(0, 9)), "12345");
  put("torn-note", "", "12345");
  put("part", note(9, range(5, 4)), "12345");
  put("holed", note(1 << 20, range(0, 1 << 20)), "x");
  fs::resize_file(cache_ / "vfs/s3{X}/bucket/u/holed", 1 << 20);
  put("whole", note(5, range(0, 5)), "12345");
  put("grown", note(3, range(0, 3)), "12345");
  put("sent", note(9, range(0, 9), false), "1");
  EXPECT_TRUE(set_doubtful_aside(cache_.string(), "bucket/u", "boot-1").empty());
  auto found = set_doubtful_aside(cache_.string(), "bucket/u", "boot-2");
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<std::string>{"empty", "holed", "part", "short", "torn-note"}));
  const fs::path data = cache_ / "vfs/s3{X}/bucket/u", notes = cache_ / "vfsMeta/s3{X}/bucket/u";
  for (const char* path : {"holed", "part", "short", "torn-note"}) {
    EXPECT_FALSE(fs::exists(data / path) || fs::exists(notes / path)) << path;
    EXPECT_TRUE(fs::exists(data / (std::string(path) + ".conflict-restart"))) << path;
  }
  EXPECT_FALSE(fs::exists(data / "empty") || fs::exists(data / "empty.conflict-restart"));
  EXPECT_EQ(noted("short.conflict-restart"), note(5, range(0, 5)));
  for (const char* path : {"whole", "grown", "sent"}) EXPECT_TRUE(fs::exists(data / path)) << path;
  // They are whole as they are now: another boot finds nothing.
  EXPECT_TRUE(set_doubtful_aside(cache_.string(), "bucket/u", "boot-3").empty());
}

}  // namespace
}  // namespace matrx::rclone
