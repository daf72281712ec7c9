#include "adapters/rclone/object_names.hpp"

#include <gtest/gtest.h>

#include <random>

namespace matrx::rclone {
namespace {

TEST(ObjectNames, MostAreTheSame) {
  for (const char* plain :
       {"a", "a/b.txt", ".bashrc", "näme mit blank", "a%20b", "日本/語", "a.b.c"}) {
    EXPECT_EQ(key_of(plain, 0), plain);
    EXPECT_EQ(path_of(plain), plain);
    EXPECT_FALSE(is_odd(plain));
  }
}

TEST(ObjectNames, WhatCannotTravelIsCodedAndComesBack) {
  for (const std::string odd : {"line\nbreak", "\xFF\xFE", "blank ", " blank", "dot.", "...",
                                "back\\slash", "\xE2\x80\x9Bq", "=mx=mine", "a\x7F", "d\n/e/f "}) {
    const auto key = key_of(odd, 0);
    ASSERT_TRUE(key.has_value());
    EXPECT_TRUE(is_odd(*key)) << *key;
    EXPECT_EQ(path_of(*key), odd);
    for (const char c : *key) EXPECT_GT(static_cast<unsigned char>(c), 0x20);
  }
}

TEST(ObjectNames, AnyBytesComeBack) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string path;
    for (auto n = random() % 60 + 1; n > 0; --n) path += static_cast<char>(random() % 255 + 1);
    const auto key = key_of(path, 0);
    if (key) EXPECT_EQ(path_of(*key), path);
  }
}

TEST(ObjectNames, TooLongIsToldAndStrangeKeysAreRefused) {
  EXPECT_EQ(key_of(std::string(200, '\n'), 0), std::nullopt);
  EXPECT_EQ(key_of("abc", 1022), std::nullopt);
  EXPECT_TRUE(key_of("abc", 1021).has_value());
  EXPECT_EQ(path_of("=mx=a%2Fb"), std::nullopt);
  EXPECT_EQ(path_of("=mx=a%00b"), std::nullopt);
  EXPECT_EQ(path_of("=mx=a%zz"), std::nullopt);
}

TEST(ObjectNames, APatternFitsOneNameOnly) {
  EXPECT_EQ(as_pattern("a/b c.txt"), "a/b c.txt");
  EXPECT_EQ(as_pattern("*?[a]{b}"), R"(\*\?\[a\]\{b\})");
}

}  // namespace
}  // namespace matrx::rclone
