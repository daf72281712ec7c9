#include "ssh/transport.hpp"

#include "async/as_tuple.hpp"
#include "base/limits.hpp"

namespace matrx::ssh {
namespace {

constexpr int kTurnPollsMax = 8;  // then somebody else has a go

}  // namespace

Transport::Transport(Executor executor, SessionHandle session, int watched)
    : session_(std::move(session)), event_(ssh_event_new()), watched_(executor, watched) {
  ssh_set_blocking(session_.get(), 0);
}

Transport::~Transport() {
  if (has_keys_) ssh_event_remove_session(event_.get(), session_.get());
}

// Level triggered: what libssh leaves in the socket wakes us again.
Task<void> Transport::read_loop() {
  turn();  // our banner
  while (!over_) {
    const auto [ec] = co_await watched_.async_wait(watched_.wait_read, kAsTuple);
    if (ec) break;
    turn();
  }
}

Task<void> Transport::write_loop() {
  while (!over_) {
    if (!is_backed_up()) {
      co_await queued_.wait(kSshWake);
      continue;
    }
    const auto [ec] = co_await watched_.async_wait(watched_.wait_write, kAsTuple);
    if (ec) break;
    turn();
  }
}

void Transport::turn() {
  if (over_) return;
  if (!has_keys_) {
    const int done = ssh_handle_key_exchange(session_.get());
    if (done == SSH_ERROR) return end();
    if (done == SSH_OK) {
      has_keys_ = true;
      ssh_event_add_session(event_.get(), session_.get());
    }
  } else {
    int done = SSH_OK;
    for (int polls = 0; polls < kTurnPollsMax && done == SSH_OK; ++polls) {
      done = ssh_event_dopoll(event_.get(), 0);
    }
    if (done == SSH_ERROR) return end();
  }
  if ((ssh_get_status(session_.get()) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0) return end();
  stir();
}

Task<void> Transport::changed(milliseconds at_most) { co_await changed_.wait(at_most); }

void Transport::stir() {
  queued_.ring();
  changed_.notify();
}

bool Transport::is_backed_up() const {
  return !over_ && (ssh_get_status(session_.get()) & SSH_WRITE_PENDING) != 0;
}

void Transport::end_with(const std::string& words) {
  if (over_) return;
  last_words_ = words;
  end();
}

void Transport::end() {
  if (std::exchange(over_, true)) return;
  boost::system::error_code ignored;
  watched_.cancel(ignored);
  stir();
}

void Transport::hang_up() {
  if (!last_words_.empty()) {
    ssh_session_set_disconnect_message(session_.get(), last_words_.c_str());
  }
  // The library writes at once only where it has seen lately that it may.
  if (has_keys_) ssh_event_dopoll(event_.get(), 0);
  ssh_disconnect(session_.get());
}

}  // namespace matrx::ssh
