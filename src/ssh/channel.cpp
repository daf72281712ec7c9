#include "ssh/channel.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace matrx::ssh {
namespace {

std::unexpected<Error> closed() {
  return fail(Code::unavailable, "The SSH client has closed the channel.");
}

}  // namespace

// The library keeps a channel until the client has closed it, too. Of a connection that is over it
// frees them all; a close now would reach the client before our last words, and end it silently.
Channel::~Channel() {
  if (transport_.is_over()) return;
  close();
  ssh_channel_free(handle_);
  transport_.stir();
}

bool Channel::is_closed() const {
  return transport_.is_over() || ssh_channel_is_closed(handle_) != 0;
}

Task<Result<std::size_t>> Channel::read_some(std::span<char> into) {
  for (;;) {
    if (transport_.is_over()) co_return closed();
    const int count = ssh_channel_read_nonblocking(handle_, into.data(),
                                                   static_cast<std::uint32_t>(into.size()), 0);
    if (count > 0) {
      transport_.stir();  // a window has opened, and other channels' bytes may have come along
      co_return static_cast<std::size_t>(count);
    }
    if (ssh_channel_is_eof(handle_) != 0) co_return std::size_t{0};
    if (count == SSH_ERROR || is_closed()) co_return closed();
    co_await transport_.changed(kSshWake);
  }
}

Task<Result<void>> Channel::write(std::string_view bytes, Stream stream) {
  const auto send = stream == Stream::output ? ssh_channel_write : ssh_channel_write_stderr;
  while (!bytes.empty()) {
    if (is_closed()) co_return closed();
    if (transport_.is_backed_up() || ssh_channel_window_size(handle_) == 0) {
      co_await transport_.changed(kSshWake);
      continue;
    }
    const auto piece = std::min(bytes.size(), kSshPieceBytes);
    const int count = send(handle_, bytes.data(), static_cast<std::uint32_t>(piece));
    if (count < 0) co_return closed();
    bytes.remove_prefix(static_cast<std::size_t>(count));
    transport_.stir();
    if (count == 0) co_await transport_.changed(kSshWake);
  }
  co_return Result<void>();
}

void Channel::end_writing() {
  if (is_closed()) return;
  ssh_channel_send_eof(handle_);
  transport_.stir();
}

void Channel::send_exit_status(int status) {
  if (!is_closed()) ssh_channel_request_send_exit_status(handle_, status);
}

void Channel::close() {
  if (is_closed()) return;
  ssh_channel_close(handle_);
  transport_.stir();
}

}  // namespace matrx::ssh
