// What files travel in: ranges, gzip, multipart, signatures' hashes.

#include <gtest/gtest.h>

#include <vector>

#include "base/text.hpp"
#include "wire/byte_range.hpp"
#include "wire/gzip.hpp"
#include "wire/multipart.hpp"
#include "wire/sha256.hpp"

namespace matrx {
namespace {

std::string hex(const std::array<unsigned char, 32>& digest) {
  std::string text;
  for (unsigned char byte : digest) {
    text += "0123456789abcdef"[byte / 16];
    text += "0123456789abcdef"[byte % 16];
  }
  return text;
}

// From FIPS 180-4 and the usual collections.
TEST(Sha256, KnownValues) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ByteRange, OneRangeOrTheWhole) {
  using Wanted = RangeAnswer::Kind;
  const auto part = [](std::string_view header) {
    const auto answer = parse_range(header, 100);
    EXPECT_EQ(answer.kind, Wanted::part) << header;
    return answer.range;
  };
  EXPECT_EQ(part("bytes=0-9"), (ByteRange{0, 10}));
  EXPECT_EQ(part("bytes=90-"), (ByteRange{90, 10}));
  EXPECT_EQ(part("bytes=-5"), (ByteRange{95, 5}));
  EXPECT_EQ(part("bytes=-500"), (ByteRange{0, 100}));
  EXPECT_EQ(part("bytes=99-18446744073709551615"), (ByteRange{99, 1}));
  EXPECT_EQ(part("Bytes= 5 - 5 "), (ByteRange{5, 1}));
  for (const char* header : {"bytes=100-", "bytes=100-200", "bytes=-0"}) {
    EXPECT_EQ(parse_range(header, 100).kind, Wanted::unsatisfiable) << header;
  }
  for (const char* header : {"", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=0-1",
                             "bytes=a-b", "bytes=0-99999999999999999999"}) {
    EXPECT_EQ(parse_range(header, 100).kind, Wanted::whole) << header;
  }
  EXPECT_EQ(parse_range("bytes=0-", 0).kind, Wanted::unsatisfiable);
}

TEST(AcceptEncoding, WhatAClientTakes) {
  EXPECT_TRUE(parse_accept_encoding("").identity);
  EXPECT_FALSE(parse_accept_encoding("").gzip);
  EXPECT_TRUE(parse_accept_encoding("gzip").only_gzip);
  EXPECT_TRUE(parse_accept_encoding("gzip, identity;q=0").only_gzip);
  EXPECT_FALSE(parse_accept_encoding("gzip, deflate, br").only_gzip);
  EXPECT_TRUE(parse_accept_encoding("gzip, deflate").gzip);
  EXPECT_FALSE(parse_accept_encoding("gzip;q=0").gzip);
  EXPECT_FALSE(parse_accept_encoding("*;q=0").identity);
  EXPECT_FALSE(parse_accept_encoding("identity;q=0.0, br").identity);
  EXPECT_TRUE(parse_accept_encoding("*;q=0, identity").identity);
}

std::string gunzip(std::string_view packed, std::size_t piece, bool& good) {
  Gunzip gunzip;
  std::string plain;
  good = true;
  while (good && !packed.empty()) {
    gunzip.give(packed.substr(0, piece));
    packed.remove_prefix(std::min(piece, packed.size()));
    for (;;) {
      const auto next = gunzip.next(100);
      good = next.has_value();
      if (!good || next->empty()) break;
      EXPECT_LE(next->size(), 100U);
      plain += *next;
    }
  }
  good = good && gunzip.complete();
  return plain;
}

TEST(Gzip, ThereAndBackInAnyPieces) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * i);
  Gzip gzip;
  std::string packed = gzip.take(text.substr(0, 5000), false);
  packed += gzip.take(text.substr(5000), false);
  packed += gzip.take({}, true);
  EXPECT_LT(packed.size(), text.size());
  for (std::size_t piece : {1UL, 7UL, 1000UL, 10'000'000UL}) {
    bool good = false;
    EXPECT_EQ(gunzip(packed, piece, good), text);
    EXPECT_TRUE(good) << piece;
    EXPECT_EQ(gunzip(packed + packed, piece, good), text + text);
    EXPECT_TRUE(good) << piece;
    (void)gunzip(packed.substr(0, packed.size() - 1), piece, good);
    EXPECT_FALSE(good) << "cut off";
    (void)gunzip(packed + "x", piece, good);
    EXPECT_FALSE(good) << "something behind it";
    (void)gunzip("no gzip at all", piece, good);
    EXPECT_FALSE(good);
    (void)gunzip("", piece, good);
    EXPECT_FALSE(good) << "nothing is no stream";
  }
  EXPECT_EQ(Gzip().take({}, true).size(), 20U);
}

std::string story(std::string_view body, std::string_view boundary, std::size_t piece) {
  MultipartDecoder decoder(boundary);
  std::string told;
  while (!body.empty()) {
    decoder.append(body.substr(0, piece));
    body.remove_prefix(std::min(piece, body.size()));
    for (;;) {
      const auto event = decoder.next();
      if (!event) return told + "!";
      if (!*event) break;
      using Part = MultipartEvent::Kind;
      const MultipartEvent& e = **event;
      if (e.kind == Part::part) told += "[" + e.name + "|" + e.filename.value_or("-") + ":";
      if (e.kind == Part::data) told += e.bytes;
      if (e.kind == Part::part_end) told += "]";
      if (e.kind == Part::end) told += ".";
    }
  }
  return told;
}

TEST(Multipart, PartsInAnyPieces) {
  const std::string body =
      "preamble\r\n--b\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"/tmp/a b\\\"c/d\"\r\n"
      "Content-Type: text/plain\r\n\r\n"
      "one\r\n--x\r\n-\r\n\r\n--b  \r\n"
      "content-disposition: form-data; name=other\r\n\r\n"
      "\r\n--b\r\n\r\nbare\r\n--b\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%c3%a9\r\n\r\n\r\n--b--\r\n"
      "epilogue\r\n--b\r\n";
  for (std::size_t piece : {1UL, 2UL, 5UL, 11UL, 1000UL}) {
    EXPECT_EQ(story(body, "b", piece),
              "[file|/tmp/a b\"c/d:one\r\n--x\r\n-\r\n][other|-:][|-:bare][file|é:].")
        << piece;
  }
}

TEST(Multipart, WhatIsBroken) {
  EXPECT_EQ(story("--b\r\nA: b\r\n\r\ndata", "b", 3), "[|-:");  // cut off: no end is told
  EXPECT_EQ(story("--b-\r\n\r\n", "b", 3), "!");
  EXPECT_EQ(story("--bad\r\n\r\n", "b", 3), "!");
  EXPECT_EQ(story("--b" + std::string(1000, ' '), "b", 100), "!");
  EXPECT_EQ(story("--b\r\n" + std::string(40'000, 'h'), "b", 100), "!");
  EXPECT_EQ(story("", "b", 1), "");
}

TEST(Multipart, Boundaries) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_FALSE(multipart_boundary("multipart/form-data"));
  EXPECT_FALSE(multipart_boundary("multipart/mixed; boundary=abc"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary="));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=\"abc"));
}

}  // namespace
}  // namespace matrx
