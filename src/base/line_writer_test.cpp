#include "base/line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/log.hpp"

namespace matrx {
namespace {

std::string line_number(int number) { return "line " + std::to_string(number) + "\n"; }

// Everything that is there to be read now.
std::string drain(int descriptor) {
  std::string all(1'000'000, '\0');
  const ssize_t count = ::read(descriptor, all.data(), all.size());
  all.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return all;
}

class LineWriterTest : public testing::TestWithParam<bool> {
 protected:
  // A pipe or a socket; our end blocks, as a shell hands it on.
  LineWriterTest() {
    const int made = GetParam() ? ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) : ::pipe(ends_);
    EXPECT_EQ(made, 0);
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~LineWriterTest() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int ends_[2] = {-1, -1};
};

TEST_P(LineWriterTest, AReaderThatStandsStillStopsNobodyAndSeesWholeLines) {
  constexpr std::size_t kHeldMax = 100'000;
  LineWriter writer(ends_[1], kHeldMax);
  constexpr int kLines = 100'000;
  for (int number = 0; number < kLines; ++number) {
    writer.add(line_number(number));
    if (number % 100 == 0) writer.write();
  }
  EXPECT_LE(writer.held_bytes(), kHeldMax);
  EXPECT_EQ(writer.take_lost(), 0U) << "no room to tell of it";
  std::string seen;
  while (writer.held_bytes() > 0) {
    seen += drain(ends_[0]);
    writer.write();
  }
  seen += drain(ends_[0]);
  const std::uint64_t lost = writer.take_lost();
  EXPECT_GT(lost, 0U);
  std::string expected;
  for (int number = 0; number < kLines - static_cast<int>(lost); ++number) {
    expected += line_number(number);
  }
  EXPECT_EQ(seen, expected);
  writer.add("later\n");
  writer.write();
  EXPECT_EQ(drain(ends_[0]), "later\n");
}

INSTANTIATE_TEST_SUITE_P(Ends, LineWriterTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Socket" : "Pipe"; });

TEST(LineWriter, WhatHasNoReaderAnyMoreIsForgotten) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  ::close(ends[0]);
  LineWriter writer(ends[1], 1000);
  writer.add("nobody\n");
  writer.write();
  EXPECT_EQ(writer.held_bytes(), 0U);
  ::close(ends[1]);
}

TEST(LineWriter, TheEndWaitsForAReaderThatIsBehindButNotForEver) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  LineWriter writer(ends[1], 1'000'000);
  for (int number = 0; number < 50'000; ++number) writer.add(line_number(number));
  writer.write_within(std::chrono::milliseconds(10));
  const std::size_t held = writer.held_bytes();
  EXPECT_GT(held, 0U);
  std::string seen;
  std::thread reader([&] {
    std::string piece(4096, '\0');
    for (ssize_t count; (count = ::read(ends[0], piece.data(), piece.size())) > 0;) {
      seen.append(piece, 0, static_cast<std::size_t>(count));
    }
  });
  writer.write_within(std::chrono::minutes(1));
  EXPECT_EQ(writer.held_bytes(), 0U);
  ::close(ends[1]);
  reader.join();
  EXPECT_TRUE(seen.ends_with(line_number(49'999)));
  ::close(ends[0]);
}

TEST(LineWriter, TheLogTellsWhatItLost) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  log::configure(log::Level::info, log::Format::text, log::descriptor_sink(ends[1]));
  const std::string long_line(100'000, 'x');
  for (int number = 0; number < 100; ++number) log::info(long_line);
  std::string seen;
  for (std::string piece; !(piece = drain(ends[0])).empty(); log::flush()) seen += piece;
  log::info("the reader is back");
  log::flush();
  seen = drain(ends[0]);
  EXPECT_NE(seen.find("lines of this log were lost"), std::string::npos) << seen.substr(0, 300);
  EXPECT_NE(seen.find("the reader is back"), std::string::npos);
  log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace matrx
