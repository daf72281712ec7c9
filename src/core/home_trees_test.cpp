#include "core/home_trees.hpp"

#include <gtest/gtest.h>

namespace matrx {
namespace {

const HomeNode kFile{.size_bytes = 1};
const HomeNode kFolder{.kind = NodeKind::folder};
const HomeNode kLink{.kind = NodeKind::link, .target = "x"};

TEST(HomeTrees, WhatAMovingHomeDoesNotShowIsKept) {
  const HomeTree base{{"a", kFolder}, {"a/b", kFolder}, {"a/b/c", kFile}, {"d", kFile}};
  HomeTree local{{"d", kFile}, {"new", kFile}};
  EXPECT_TRUE(keep_missing(base, local));
  HomeTree wanted = base;
  wanted["new"] = kFile;
  EXPECT_EQ(local, wanted);
}

TEST(HomeTrees, WhatIsInThePlaceOfSomethingMissingIsNotGuessedAt) {
  const HomeTree folder{{"a", kFolder}, {"a/b", kFile}};
  for (const HomeNode& other : {kFile, kLink}) {
    HomeTree local{{"a", other}};
    EXPECT_FALSE(keep_missing(folder, local));
  }
  HomeTree below{{"a/b", kFile}};
  EXPECT_FALSE(keep_missing({{"a", kFile}}, below));
}

HomeTree files(std::initializer_list<std::pair<const std::string, std::int64_t>> sizes) {
  HomeTree tree;
  for (const auto& [path, size] : sizes) tree[path] = {.size_bytes = size};
  return tree;
}

TEST(HomeTrees, WhatDoesNotFitIsTheLargest) {
  HomeTree tree = files({{"a", 10}, {"b", 50}, {"c", 45}, {"d", 1}});
  tree["folder"] = {.kind = NodeKind::folder};
  EXPECT_EQ(take_out_what_does_not_fit(tree, 106, true), std::vector<std::string>());
  EXPECT_EQ(take_out_what_does_not_fit(tree, 60, true), std::vector<std::string>{"b"});
  EXPECT_EQ(tree.size(), 4U);
  EXPECT_EQ(take_out_what_does_not_fit(tree, 10, true), (std::vector<std::string>{"c", "a"}));
}

TEST(HomeTrees, HolesFitWhereTheyAreKept) {
  HomeTree tree = files({{"a", 10}, {"sparse", 1000}});
  tree["sparse"].hole_bytes = 995;
  EXPECT_TRUE(take_out_what_does_not_fit(tree, 15, true).empty());
  EXPECT_EQ(take_out_what_does_not_fit(tree, 15, false), std::vector<std::string>{"sparse"});
}

TEST(HomeTrees, AFileInTheWayBecomesAFolder) {
  HomeTree tree = files({{"a", 1}, {"a/b", 1}, {"a/b/c", 1}, {"a.x", 1}, {"ab/c", 1}});
  EXPECT_EQ(make_folders_of_files_in_the_way(tree), (std::vector<std::string>{"a", "a/b"}));
  EXPECT_EQ(tree["a"].kind, NodeKind::folder);
  EXPECT_EQ(tree["a/b/c"].kind, NodeKind::file);
  EXPECT_EQ(tree["a.x"].kind, NodeKind::file);
}

// A few sparse files of four exabytes: their sum is more than a number holds.
TEST(HomeTrees, HolesOfAnySizeAreTooMuch) {
  constexpr std::int64_t kHuge = 1LL << 62;
  HomeTree tree{{"small", {.size_bytes = 5}}};
  for (const char* path : {"a", "b", "c"}) {
    tree[path] = {.size_bytes = kHuge, .hole_bytes = kHuge};
  }
  EXPECT_EQ(bytes_of(tree, false), INT64_MAX);
  EXPECT_EQ(bytes_of(tree, true), 5);
  EXPECT_EQ(take_out_what_does_not_fit(tree, 100, false).size(), 3U);
  EXPECT_TRUE(tree.contains("small"));
}

}  // namespace
}  // namespace matrx
