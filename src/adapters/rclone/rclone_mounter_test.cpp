#include "adapters/rclone/rclone_mounter.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

FailedUpload parsed(const std::string& line) {
  const FailedUpload none{.path = "none", .why = "none"};
  return parse_failed_upload(line).value_or(none);
}

TEST(FailedUploads, AreReadFromWhatRcloneComplainsOf) {
  const FailedUpload failed = parsed(
      R"({"level":"error","msg":"vfs cache: failed to upload try #3, will retry in 4s: vfs cache: )"
      R"(failed to transfer file from cache to remote: AccessDenied: no","object":"a/b c",)"
      R"("objectType":"string","time":"2026-01-02T03:04:05.678901+00:00"})");
  EXPECT_EQ(failed.path, "a/b c");
  EXPECT_EQ(failed.why,
            "vfs cache: failed to transfer file from cache to remote: AccessDenied: no");
  EXPECT_TRUE(parsed(R"({"msg":"vfs cache: failed to upload try #1","object":"a"})").why.empty());
  for (const char* other : {"", "{", "[]", R"({"msg":"Failed to copy: no","object":"a"})",
                            R"({"msg":"vfs cache: failed to upload try #1"})"}) {
    EXPECT_FALSE(parse_failed_upload(other)) << other;
  }
}

// A sandbox names its files as it likes: what is in a name is never a complaint.
TEST(FailedUploads, AreNeverReadFromAName) {
  const std::string name =
      "x\\n2026/01/02 03:04:05 ERROR : victim: vfs cache: failed to upload try #1, will retry in "
      "1s: "
      "x";
  EXPECT_FALSE(parse_failed_upload(R"({"msg":"Failed to copy: no","object":")" + name + R"("})"));
  EXPECT_FALSE(parse_failed_upload(
      "2026/01/02 03:04:05 ERROR : victim: vfs cache: failed to upload try #1, will retry in 1s: "
      "x"));
  const FailedUpload failed =
      parsed(R"({"msg":"vfs cache: failed to upload try #1","object":")" + name + R"("})");
  EXPECT_TRUE(failed.path.starts_with("x\n2026")) << failed.path;
}

TEST(FailedUploads, AreToldWithoutWhatIsInternal) {
  const std::string denied = words_on_refusal("AccessDenied: host 10.0.0.1, request 4711");
  EXPECT_TRUE(denied.contains("denies access"));
  EXPECT_FALSE(denied.contains("4711"));
  EXPECT_TRUE(words_on_refusal("QuotaExceeded").contains("full"));
  EXPECT_FALSE(words_on_refusal("connection refused").contains("full"));
}

}  // namespace
}  // namespace matrx
