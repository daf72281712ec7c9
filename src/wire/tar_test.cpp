#include "wire/tar.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "wire/tar_format.hpp"

namespace matrx {
namespace {

using Kind = TarEntry::Kind;

struct Read {
  std::vector<TarEntry> entries;
  std::vector<std::string> data;
  bool ended = false, at_rest = false, broken = false;
};

Read read(std::string_view bytes, std::size_t piece) {
  TarReader reader;
  Read read;
  while (!bytes.empty()) {
    reader.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        read.broken = true;
        return read;
      }
      if (!*event) break;
      if ((*event)->kind == TarEvent::Kind::entry) {
        read.entries.push_back((*event)->entry);
        read.data.emplace_back();
      }
      if ((*event)->kind == TarEvent::Kind::data) read.data.back() += (*event)->bytes;
      if ((*event)->kind == TarEvent::Kind::end) read.ended = true;
    }
  }
  read.at_rest = reader.at_rest();
  return read;
}

std::string with_data(const TarEntry& entry, const std::string& data) {
  return tar_header(entry) + data + tar_padding(data.size());
}

TEST(Tar, ThereAndBackInAnyPieces) {
  const std::string longest(300, 'n');
  const std::vector<TarEntry> entries = {
      {.kind = Kind::folder, .path = "folder/", .mode = 0755, .modified = 1'700'000'000},
      {.path = "folder/file", .size = 5, .mode = 0640, .modified = 12, .uid = 1000, .gid = 7},
      {.path = longest + "/" + longest, .size = 512, .mode = 0600},
      {.kind = Kind::symlink, .path = "link", .link_target = longest, .mode = 0777},
      {.kind = Kind::hard_link, .path = "hard", .link_target = "folder/file"},
      {.path = "é\nodd", .size = 513, .mode = 0, .modified = -5},
      {.path = std::string(100, 'x'), .modified = 1LL << 40},
  };
  std::string archive;
  for (const auto& entry : entries) archive += with_data(entry, std::string(entry.size, 'd'));
  archive += tar_end();
  EXPECT_EQ(archive.size() % kTarBlockBytes, 0U);
  for (std::size_t piece : {1UL, 100UL, 512UL, 100'000UL}) {
    const Read back = read(archive, piece);
    EXPECT_FALSE(back.broken);
    EXPECT_TRUE(back.ended && back.at_rest);
    ASSERT_EQ(back.entries.size(), entries.size()) << piece;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(back.entries[i], entries[i]) << entries[i].path;
      EXPECT_EQ(back.data[i], std::string(entries[i].size, 'd'));
    }
  }
}

TEST(Tar, SizesBeyondOctal) {
  const TarEntry large{.path = "large", .size = 10ULL << 33, .mode = 0600};
  TarReader reader;
  reader.append(tar_header(large));
  EXPECT_EQ(reader.next().value()->entry, large);
  EXPECT_FALSE(reader.at_rest());
}

// What others write: a header of GNU tar and its long name.
TEST(Tar, ReadsWhatOthersWrite) {
  const auto block = [](std::string name, char type, std::string size, std::string magic) {
    TarBlock header{};
    name.copy(header.name, sizeof header.name);
    size.copy(header.size, sizeof header.size);
    magic.copy(header.magic, sizeof header.magic);
    header.type = type;
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    std::string sum = std::to_string(0);
    std::uint64_t number = tar_checksum(bytes);
    std::string octal;
    for (; number > 0; number >>= 3) octal.insert(octal.begin(), char('0' + (number & 7)));
    bytes.replace(offsetof(TarBlock, checksum), octal.size(), octal);
    return bytes;
  };
  const std::string gnu = "ustar  ";
  const std::string name(200, 'g');
  const std::string binary = std::string("\x80") + std::string(10, '\0') + "\x03";
  std::string archive = block("././@LongLink", 'L', "0000000311 ", gnu) + name +
                        std::string(1, '\0') + tar_padding(201) + block("cut", '0', binary, gnu) +
                        "abc" + tar_padding(3) + block("old/", '\0', "", "") +
                        block("device", '3', "", gnu) + block("sparse", 'S', "00000000010", gnu) +
                        std::string(8, 's') + tar_padding(8) + block("last", '0', "", gnu);
  const Read back = read(archive, 70);
  ASSERT_FALSE(back.broken);
  ASSERT_EQ(back.entries.size(), 5U);
  EXPECT_EQ(back.entries[0].path, name);
  EXPECT_EQ(back.data[0], "abc");
  EXPECT_EQ(back.entries[1].kind, Kind::folder);
  EXPECT_EQ(back.entries[2].kind, Kind::other);
  EXPECT_EQ(back.entries[3].kind, Kind::other);
  EXPECT_EQ(back.data[3], "");
  EXPECT_EQ(back.entries[4].path, "last");
  EXPECT_TRUE(back.at_rest);
  EXPECT_FALSE(back.ended);
}

TEST(Tar, WhatIsBroken) {
  const std::string good = with_data({.path = "file", .size = 10}, "0123456789") + tar_end();
  std::string bad = good;
  bad[0] = 'F';
  EXPECT_TRUE(read(bad, 512).broken);  // its checksum
  EXPECT_TRUE(read(std::string(600, 'x'), 512).broken);
  EXPECT_FALSE(read(good.substr(0, 515), 512).at_rest);
  EXPECT_FALSE(read(good.substr(0, 100), 512).at_rest);
  const auto pax = [](const std::string& text) {
    std::string bytes = tar_header({.path = "x", .size = text.size()});
    bytes[offsetof(TarBlock, type)] = 'x';
    std::uint64_t sum = tar_checksum(bytes);
    for (std::size_t i = 6; i-- > 0; sum >>= 3) {
      bytes[offsetof(TarBlock, checksum) + i] = static_cast<char>('0' + (sum & 7));
    }
    return bytes + text + tar_padding(text.size()) + tar_header({.path = "y"}) + tar_end();
  };
  EXPECT_FALSE(read(pax("9 path=z\n"), 512).broken);
  for (const char* text : {"8 path=z\n", "11 path=z\n", "path=z\n", "0 \n", "4 x\n",
                           "99999999999999999999 path=z\n", "10 size=-\n", "11 size=1x\n"}) {
    EXPECT_TRUE(read(pax(text), 512).broken) << text;
  }
  std::string only_extras = pax("9 path=z\n").substr(0, 1024) + tar_end();
  EXPECT_TRUE(read(only_extras, 512).broken);
}

}  // namespace
}  // namespace matrx
