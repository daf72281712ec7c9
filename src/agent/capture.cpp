#include "agent/capture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agent/limits.hpp"
#include "async/as_tuple.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

using asio::posix::stream_descriptor;

// One for all: a single thread reads, and never across a suspension.
char* read_buffer() {
  static std::vector<char> buffer(kReadBytes);
  return buffer.data();
}

// Bytes at the end that begin a character whose rest is missing: 0 to 3.
std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) return 0;
    if (byte < 0xC0) continue;                 // in the middle of one
    if (byte < 0xC2 || byte > 0xF4) return 0;  // begins none
    const std::size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

Result<Pipe> Pipe::make() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(Code::exhausted, std::string("A command cannot be started: ") + strerror(errno));
  }
  return Pipe{.reading = Descriptor(ends[0]), .writing = Descriptor(ends[1])};
}

Capture::Capture(Executor executor, Descriptor reading, std::size_t bytes_max)
    : reading_(executor, reading.release()), bytes_max_(bytes_max) {
  reading_.non_blocking(true);
}

Task<void> Capture::read_to_end() {
  while (!ended_) {
    const auto [ec] = co_await reading_.async_wait(stream_descriptor::wait_read, kAsTuple);
    if (ec) co_return;
    const ssize_t count = ::read(reading_.native_handle(), read_buffer(), kReadBytes);
    if (count > 0) {
      keep(read_buffer(), static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended_ = true;
    }
  }
}

void Capture::drain() {
  // A background process that writes without end must not hold us here.
  for (std::size_t total = 0; !ended_ && total < bytes_max_ + kReadBytes;) {
    const ssize_t count = ::read(reading_.native_handle(), read_buffer(), kReadBytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    if (count == 0) ended_ = true;
    keep(read_buffer(), static_cast<std::size_t>(count));
    total += static_cast<std::size_t>(count);
  }
}

Task<void> Capture::discard(stream_descriptor reading) {
  asio::steady_timer pause(reading.get_executor());
  for (;;) {
    const auto [ec] = co_await reading.async_wait(stream_descriptor::wait_read, kAsTuple);
    if (ec) co_return;
    const ssize_t count = ::read(reading.native_handle(), read_buffer(), kReadBytes);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) co_return;
    pause.expires_after(kDiscardPause);
    co_await pause.async_wait(kAsTuple);
  }
}

void Capture::keep(const char* bytes, std::size_t count) {
  const std::size_t room = bytes_max_ - std::min(bytes_max_, kept_.size());
  if (count > room) truncated_ = true;
  kept_.append(bytes, std::min(count, room));
}

std::string Capture::take_text() {
  if (truncated_) kept_.resize(kept_.size() - incomplete_tail(kept_));
  return to_valid_utf8(std::move(kept_));
}

}  // namespace matrx::agent
