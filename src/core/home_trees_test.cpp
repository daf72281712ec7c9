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

}  // namespace
}  // namespace matrx
