#include "base/line_writer.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace matrx {
namespace {

// A pipe that is called writable takes so much at once (PIPE_BUF); more could block.
constexpr std::size_t kPieceBytes = 4096;

}  // namespace

void LineWriter::add(std::string_view line) {
  if (held_bytes() + line.size() > held_bytes_max_) {
    ++lost_;
    return;
  }
  held_ += line;
}

std::uint64_t LineWriter::take_lost() {
  return held_bytes() > held_bytes_max_ / 2 ? 0 : std::exchange(lost_, 0);
}

void LineWriter::write_within(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (write(); held_bytes() > 0; write()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) return;
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    ::poll(&ready, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }
}

void LineWriter::write() {
  while (held_bytes() > 0) {
    const std::string_view piece = std::string_view(held_).substr(written_, kPieceBytes);
    std::size_t count = 0;
    if (!write_piece(piece, count)) break;
    written_ += count;
  }
  if (held_bytes() == 0) {
    held_.clear();
    written_ = 0;
  } else if (written_ >= held_bytes_max_ / 2) {
    held_.erase(0, std::exchange(written_, 0));
  }
}

// False: not now. What can never be written counts as written: a log that is gone must not stop the
// daemon.
bool LineWriter::write_piece(std::string_view piece, std::size_t& count) {
  pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) != 1) return false;
  // Not by making the descriptor non-blocking: others have it as well, the shell that started us
  // among them.
  ssize_t written = ::send(descriptor_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written < 0 && errno == ENOTSOCK) written = ::write(descriptor_, piece.data(), piece.size());
  if (written < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOBUFS)) return false;
  count = written < 0 ? piece.size() : static_cast<std::size_t>(written);
  return true;
}

}  // namespace matrx
