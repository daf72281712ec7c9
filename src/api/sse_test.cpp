#include "api/sse.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.hpp"

namespace matrx::api {
namespace {

TEST(OutputText, ACharacterThatIsCutComesInOne) {
  const std::string all = "a\u00e9\u20ac\U0001F600z";
  for (std::size_t first = 0; first <= all.size(); ++first) {
    for (std::size_t second = first; second <= all.size(); ++second) {
      OutputText text;
      std::string taken;
      const std::vector<std::string> pieces = {
          all.substr(0, first), all.substr(first, second - first), all.substr(second)};
      for (const std::string& piece : pieces) {
        const std::string part = text.take(piece);
        EXPECT_TRUE(utf8_length(part)) << first << " " << second;
        taken += part;
      }
      EXPECT_EQ(taken + text.finish(), all) << first << " " << second;
    }
  }
}

TEST(OutputText, WhatIsNoTextIsReplacedAndHoldsNothingBack) {
  OutputText text;
  EXPECT_EQ(text.take("a\xff"), "a\ufffd");
  EXPECT_EQ(text.take("\x80\x80\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
  EXPECT_EQ(text.take("b\xc3"), "b");
  EXPECT_EQ(text.take("c"), "\ufffdc");  // nothing that the held one could begin
  EXPECT_EQ(text.take("\xe2\x82"), "");
  EXPECT_EQ(text.finish(), "\ufffd\ufffd");
  EXPECT_EQ(text.finish(), "");
}

TEST(SseEvent, IsOneEventWhateverIsInIt) {
  const json::object data{{"data", "one\ntwo\r\n\nid: 7\n"}};
  const std::string text = sse_event("stdout", data, 12);
  EXPECT_TRUE(text.starts_with("id: 12\nevent: stdout\ndata: {"));
  EXPECT_EQ(text.find("\n\n"), text.size() - 2);
  EXPECT_EQ(std::ranges::count(text, '\n'), 4);
  EXPECT_EQ(std::ranges::count(text, '\r'), 0);
}

}  // namespace
}  // namespace matrx::api
