#include <gtest/gtest.h>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace matrx {
namespace {

TEST(Utf8, CountsCharactersAndSeesBrokenOnes) {
  EXPECT_EQ(utf8_length("aé€😀"), 4U);
  for (const char* bad : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF0\x9F\x98", "a\xff"}) {
    EXPECT_FALSE(utf8_length(bad)) << bad;
  }
}

TEST(Utf8, ReplacesOnlyWhatIsBroken) {
  EXPECT_EQ(to_valid_utf8("a\xff\xfez"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(to_valid_utf8("é\xe2\x82"), "é\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(to_valid_utf8("plain é"), "plain é");
}

TEST(Base64, GoesBothWays) {
  // RFC 4648 §10
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(base64_encode(plain), coded);
    EXPECT_EQ(base64_decode(coded), plain);
  }
  for (const char* bad : {"Zg=", "Z===", "Zm9!", "Zg==Zg==", "849="})
    EXPECT_FALSE(base64_decode(bad)) << bad;
}

TEST(Percent, Decodes) {
  EXPECT_EQ(percent_decode("a%2Fb%c3%a9"), "a/bé");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  for (const char* bad : {"%", "%2", "%zz"}) EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(Bytes, ReadSuffixes) {
  EXPECT_EQ(parse_bytes("512m"), 512LL << 20);
  EXPECT_EQ(parse_bytes("4G"), 4LL << 30);
  EXPECT_EQ(parse_bytes("17"), 17);
  for (const char* bad : {"", "g", "-1", "1.5g", "99999999999999t", "1gb"}) {
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  }
}

TEST(ConstantTime, ComparesAsEqualsDoes) {
  EXPECT_TRUE(equals_in_constant_time("secret", "secret"));
  EXPECT_TRUE(equals_in_constant_time("", ""));
  for (const char* other : {"", "secreu", "Secret", "secre", "secretsecret"}) {
    EXPECT_FALSE(equals_in_constant_time("secret", other)) << other;
    EXPECT_FALSE(equals_in_constant_time(other, "secret")) << other;
  }
}

TEST(Time, GoesBothWays) {
  const auto at = from_unix_ms(1'795'211'650'123);
  EXPECT_EQ(to_rfc3339(at), "2026-11-20T21:54:10.123Z");
  EXPECT_EQ(from_rfc3339(to_rfc3339(at)), at);
  EXPECT_EQ(from_rfc3339("2026-11-20T21:54:10.123456789Z"), at);
  EXPECT_EQ(from_rfc3339("1970-01-01T00:00:00Z"), from_unix_ms(0));
  for (const char* bad : {"", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                          "2026-01-01T25:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00"}) {
    EXPECT_FALSE(from_rfc3339(bad)) << bad;
  }
}

TEST(Ids, AreRecognised) {
  SeededRandom random(1);
  const auto id = SandboxId::make(random);
  EXPECT_EQ(SandboxId::parse(id.text()), id);
  for (const char* bad : {"", "sbx-", "sbx-0123456789aB", "sbx-0123456789abc", "sbx_0123456789ab",
                          "../-0123456789ab"}) {
    EXPECT_FALSE(SandboxId::parse(bad)) << bad;
  }
}

TEST(Ids, UserIdsAreSafeFolderNames) {
  EXPECT_TRUE(is_valid_user_id("User.1_x-y"));
  EXPECT_TRUE(is_valid_user_id(std::string(255, 'a')));
  for (const std::string& bad :
       {std::string(), std::string(256, 'a'), std::string("."), std::string(".."),
        std::string("a/b"), std::string("é"), std::string("a b"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(is_valid_user_id(bad)) << bad;
  }
}

class LogTest : public testing::Test {
 protected:
  std::string line_of(log::Format format, const std::function<void()>& write) {
    std::string lines;
    log::configure(log::Level::info, format, [&](std::string_view line) { lines += line; });
    write();
    log::configure(log::Level::critical, format, [](std::string_view) {});
    return lines.substr(
        std::min(lines.size(), lines.find(format == log::Format::json ? "\"level\"" : "Z ")));
  }
};

TEST_F(LogTest, JsonSurvivesAnyValue) {
  const auto line = line_of(log::Format::json, [] {
    log::info("m", {{"a", "q\"\n\x01\xff"}, {"b", 7}, {"c", true}, {"d", ""}, {"e", 1.5}});
  });
  EXPECT_EQ(line,
            "\"level\":\"INFO\",\"message\":\"m\",\"a\":\"q\\\"\\n\\u0001\xEF\xBF\xBD\","
            "\"b\":7,\"c\":true,\"e\":1.500}\n");
}

TEST_F(LogTest, TextStaysOneLine) {
  EXPECT_EQ(line_of(log::Format::text, [] { log::info("m", {{"a", "x\ny"}, {"b", "plain"}}); }),
            "Z INFO     m  a=\"x\\ny\"  b=plain\n");
}

// A log is read in a terminal: what comes from strangers must not be obeyed there.
TEST_F(LogTest, NothingInItIsAnOrderToATerminal) {
  const auto is_order = [](const std::string& line) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      const auto byte = static_cast<unsigned char>(line[i]);
      const auto next = static_cast<unsigned char>(line[i + 1]);
      if (byte < 0x20 || byte == 0x7F || (byte == 0xC2 && next >= 0x80 && next <= 0x9F))
        return true;
    }
    return false;
  };
  for (int c = 1; c < 256; ++c) {
    for (const std::string& text :
         {std::string(1, static_cast<char>(c)), "\xC2" + std::string(1, static_cast<char>(c)),
          "a" + std::string(1, static_cast<char>(c)) + "b"}) {
      for (const auto format : {log::Format::text, log::Format::json}) {
        const auto line = line_of(format, [&] { log::info(text, {{"a", text}}); });
        EXPECT_TRUE(utf8_length(line)) << c;
        EXPECT_TRUE(line.ends_with('\n')) << c;
        EXPECT_FALSE(is_order(line)) << c << ": " << line;
      }
    }
  }
  EXPECT_EQ(line_of(log::Format::text,
                    [] {
                      log::info("m\x1b", {{"path",
                                           "/\x9b"
                                           "2Jx"},
                                          {"b", "\xC2\x9B"}});
                    }),
            "Z INFO     m\\u001b  path=\"/\xEF\xBF\xBD"
            "2Jx\"  b=\"\\u009b\"\n");
}

TEST_F(LogTest, LevelsFilter) {
  EXPECT_EQ(line_of(log::Format::text, [] { log::debug("unseen"); }), "");
  EXPECT_NE(line_of(log::Format::text,
                    [] {
                      log::set_level(log::Level::debug);
                      log::debug("seen");
                    }),
            "");
}

}  // namespace
}  // namespace matrx
