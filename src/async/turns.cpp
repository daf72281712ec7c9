#include "async/turns.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace matrx {
namespace {

// A place in a line. Leaves it by itself if its coroutine is destroyed or cancelled while waiting.
template <class Waiter>
class Place {
 public:
  Place(std::list<Waiter*>& line, Waiter* waiter)
      : line_(line), at_(line.insert(line.end(), waiter)) {}
  Place(const Place&) = delete;
  ~Place() {
    if (in_line_) line_.erase(at_);
  }
  void left() { in_line_ = false; }

 private:
  std::list<Waiter*>& line_;
  typename std::list<Waiter*>::iterator at_;
  bool in_line_ = true;
};

}  // namespace

struct Turns::Waiter {
  asio::steady_timer timer;
  Place<Waiter>* place = nullptr;
  bool granted = false;
};

Task<Turns::Turn> Turns::take(std::string key) {
  if (const auto line = lines_.find(key); line != lines_.end()) {
    Waiter waiter{.timer = asio::steady_timer(co_await asio::this_coro::executor,
                                              asio::steady_timer::time_point::max())};
    Place<Waiter> place(line->second, &waiter);
    waiter.place = &place;
    std::optional<Turn> turn;  // so that a cancellation after the grant still passes it on
    boost::system::error_code ignored;
    try {
      co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    } catch (...) {
      if (waiter.granted) release(key);
      throw;
    }
    if (!waiter.granted) throw boost::system::system_error(asio::error::operation_aborted);
    co_return Turn(this, std::move(key));
  }
  lines_.emplace(key, Line{});
  co_return Turn(this, std::move(key));
}

std::optional<Turns::Turn> Turns::try_take(const std::string& key) {
  if (!lines_.emplace(key, Line{}).second) return std::nullopt;
  return Turn(this, key);
}

void Turns::release(const std::string& key) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return;
  if (line->second.empty()) {
    lines_.erase(line);
    return;
  }
  Waiter* next = line->second.front();
  line->second.pop_front();
  next->place->left();
  next->granted = true;
  next->timer.cancel();
}

struct Slots::Waiter {
  asio::steady_timer timer;
  Place<Waiter>* place = nullptr;
  bool granted = false;
};

Task<Slots::Slot> Slots::take() {
  if (used_ < limit_) {
    ++used_;
    co_return Slot(this);
  }
  Waiter waiter{.timer = asio::steady_timer(co_await asio::this_coro::executor,
                                            asio::steady_timer::time_point::max())};
  Place<Waiter> place(line_, &waiter);
  waiter.place = &place;
  boost::system::error_code ignored;
  try {
    co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  } catch (...) {
    if (waiter.granted) release();
    throw;
  }
  if (!waiter.granted) throw boost::system::system_error(asio::error::operation_aborted);
  co_return Slot(this);
}

void Slots::release() {
  if (line_.empty()) {
    --used_;
    return;
  }
  Waiter* next = line_.front();
  line_.pop_front();
  next->place->left();
  next->granted = true;
  next->timer.cancel();
}

}  // namespace matrx
