#include "wire/home_manifest.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

HomeTree odd_home() {
  HomeTree tree;
  tree["plain"] = {.mode = 04755,
                   .uid = 0,
                   .gid = 12345,
                   .modified_ns = 1'700'000'000'123'456'789,
                   .size_bytes = 1LL << 40,
                   .hole_bytes = 1LL << 39,
                   .tag = "\"etag-1\"",
                   .writer = "sbx-0123456789ab"};
  tree["empty folder"] = {.kind = NodeKind::folder, .mode = 0700};
  tree["line\nbreak"] = {.size_bytes = 1};
  tree["ünï/…"] = {.size_bytes = 2};
  tree["not\xFFutf8"] = {.size_bytes = 3};
  tree["link"] = {.kind = NodeKind::link, .mode = 0777, .target = "../../etc/\xFEpasswd"};
  tree[std::string(255, 'n')] = {.modified_ns = -5};
  return tree;
}

TEST(HomeManifest, GivesBackWhatItWasGiven) {
  const HomeTree tree = odd_home();
  const auto read = decode_manifest(encode_manifest(tree).value());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, tree);
}

TEST(HomeManifest, NoPathLeadsOut) {
  for (const char* bad : {"", "/", "/etc", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b"}) {
    EXPECT_FALSE(is_home_path(bad)) << bad;
    HomeTree tree;
    tree[bad] = {};
    EXPECT_FALSE(encode_manifest(tree)) << bad;
  }
  EXPECT_FALSE(is_home_path(std::string("a\0b", 3)));
  EXPECT_FALSE(is_home_path(std::string(256, 'n')));
  std::string deep = "d";
  while (deep.size() < 4096) deep += "/d";
  EXPECT_FALSE(is_home_path(deep));
  for (const char* good : {"a", ".bashrc", "...", "a/..b/c", "a b\\c"}) {
    EXPECT_TRUE(is_home_path(good)) << good;
  }
}

// What cannot be read again would lock its owner out.
TEST(HomeManifest, NothingIsWrittenThatItsReaderRefuses) {
  const HomeTree impossible[] = {
      {{"a", {.kind = NodeKind::link}}},
      {{"a", {.kind = NodeKind::link, .target = std::string(5000, 'x')}}},
      {{"a", {.target = "of no link"}}},
      {{"a", {.mode = 010000}}},
      {{"a", {.size_bytes = -1}}},
      {{"a", {.size_bytes = 1, .hole_bytes = 2}}},
  };
  for (const HomeTree& tree : impossible) {
    EXPECT_EQ(encode_manifest(tree).error().code, Code::invalid);
  }
}

TEST(HomeManifest, IsBoundedInNumberAndInBytesForItsWriterAsForItsReader) {
  HomeTree tree;
  for (int n = 0; n < 10; ++n) tree[std::string(100, 'd') + "/" + std::to_string(n)];
  tree["link"] = {.kind = NodeKind::link, .target = std::string(100, 't')};
  const std::string text = encode_manifest(tree).value();
  const ManifestLimits exact{.nodes_max = 11, .names_bytes_max = 1124, .bytes_max = text.size()};
  EXPECT_TRUE(encode_manifest(tree, exact));
  EXPECT_TRUE(decode_manifest(text, exact));
  for (const ManifestLimits& less :
       {ManifestLimits{.nodes_max = 10}, ManifestLimits{.names_bytes_max = 1123},
        ManifestLimits{.bytes_max = text.size() - 1}}) {
    EXPECT_EQ(encode_manifest(tree, less).error().code, Code::too_large);
    EXPECT_EQ(decode_manifest(text, less).error().code, Code::too_large);
  }
}

TEST(HomeManifest, RefusesWhatIsNone) {
  const auto node = [](const std::string& fields) {
    return R"({"version":1,"nodes":[{"path":"a","mode":420,"uid":1,"gid":1,)" + fields + "}]}";
  };
  EXPECT_TRUE(decode_manifest(node(R"("kind":"file")")));
  for (const std::string& bad :
       {std::string("{}"), std::string("[]"), std::string(""),
        std::string(R"({"version":2,"nodes":[]})"), std::string(R"({"version":1,"nodes":[1]})"),
        node(R"("kind":"fifo")"), node(R"("kind":"link")"), node(R"("kind":"file","target":"x")"),
        node(R"("kind":"file","size":-1)"), node(R"("kind":"file","size":1,"holes":2)"),
        node(R"("kind":"file","mode":4096)"), node(R"("kind":"file","path_base64":"!")"),
        std::string(R"({"version":1,"nodes":[{"path":"a","kind":"file","mode":1,"uid":1,"gid":1},)"
                    R"({"path":"a","kind":"file","mode":1,"uid":1,"gid":1}]})")}) {
    EXPECT_FALSE(decode_manifest(bad)) << bad;
  }
}

}  // namespace
}  // namespace matrx
