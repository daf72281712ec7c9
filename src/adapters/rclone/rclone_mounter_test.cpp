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
      "2026/01/02 03:04:05 ERROR : a/b c: vfs cache: failed to upload try #3, will retry in 4s: "
      "vfs "
      "cache: failed to transfer file from cache to remote: AccessDenied: no");
  EXPECT_EQ(failed.path, "a/b c");
  EXPECT_EQ(failed.why,
            "vfs cache: failed to transfer file from cache to remote: AccessDenied: no");
  const std::string nasty = ": vfs cache: failed to upload try #1, will retry in 1s: x";
  EXPECT_EQ(parsed("t ERROR : " + nasty + nasty).path, nasty);
  EXPECT_TRUE(parsed("t ERROR : a: vfs cache: failed to upload try #1").why.empty());
  for (const char* other : {"", " ERROR : ", "2026/01/02 ERROR : a: Failed to copy: no",
                            ": vfs cache: failed to upload try #1 ERROR : "}) {
    EXPECT_FALSE(parse_failed_upload(other)) << other;
  }
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
