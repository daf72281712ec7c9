// Streams over real sockets, whose other end is the test's.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/steady_timer.hpp>

#include "async/clock.hpp"
#include "base/descriptor.hpp"
#include "fakes/patience.hpp"
#include "fakes/run_task.hpp"
#include "http/stream.hpp"

namespace matrx::http {
namespace {

using namespace std::chrono_literals;

const auto kLongEnough = patience(10s);  // for what answers at once, or never

struct Pair {
  std::unique_ptr<Stream> ours;
  Descriptor theirs;
};

Pair make_pair(Executor executor) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {adopt_socket(executor, ends[0]), Descriptor(ends[1])};
}

// The other side goes while a write waits for room. Asio forgets that the socket is at its end, so
// that a second write would wait for ever.
TEST(Stream, AWriteAfterALostConnectionFailsAtOnce) {
  asio::io_context io(1);
  auto test = [&]() -> Task<void> {
    SystemClock clock;
    Pair pair = make_pair(io.get_executor());
    asio::steady_timer leave(io, 50ms);
    leave.async_wait([&](auto) { pair.theirs = Descriptor(); });
    const auto lost = co_await pair.ours->write(std::string(10'000'000, 'x'));
    EXPECT_EQ(lost.error().code, Code::unavailable);
    const auto again = co_await with_deadline(clock, kLongEnough, pair.ours->write("more"));
    EXPECT_TRUE(again) << "a write hangs";
    if (again) EXPECT_EQ(again->error().code, Code::unavailable);
  };
  run_task(io, test());
}

TEST(Stream, AReadAfterTheEndFindsItAgain) {
  asio::io_context io(1);
  auto test = [&]() -> Task<void> {
    SystemClock clock;
    Pair pair = make_pair(io.get_executor());
    asio::steady_timer leave(io, 50ms);
    leave.async_wait([&](auto) { pair.theirs = Descriptor(); });
    std::array<char, 10> piece{};
    for (int round = 0; round < 2; ++round) {
      const auto end = co_await with_deadline(clock, kLongEnough, pair.ours->read_some(piece));
      EXPECT_TRUE(end) << "read " << round << " hangs";
      if (end) EXPECT_EQ(end->value(), 0U);
    }
  };
  run_task(io, test());
}

// What was cancelled is no end: the next read goes on.
TEST(Stream, AReadGoesOnAfterItsDeadline) {
  asio::io_context io(1);
  auto test = [&]() -> Task<void> {
    SystemClock clock;
    Pair pair = make_pair(io.get_executor());
    std::array<char, 10> piece{};
    EXPECT_FALSE(co_await with_deadline(clock, 20ms, pair.ours->read_some(piece)));
    EXPECT_EQ(::write(pair.theirs.get(), "now", 3), 3);
    EXPECT_EQ((co_await pair.ours->read_some(piece)).value(), 3U);
  };
  run_task(io, test());
}

}  // namespace
}  // namespace matrx::http
