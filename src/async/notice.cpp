#include "async/notice.hpp"

#include <boost/asio/redirect_error.hpp>

namespace matrx {

Task<void> Notice::wait(milliseconds timeout) {
  asio::steady_timer timer(co_await asio::this_coro::executor, timeout);
  struct Place {
    std::list<asio::steady_timer*>& list;
    std::list<asio::steady_timer*>::iterator at;
    ~Place() { list.erase(at); }
  };
  const Place place{waiting_, waiting_.insert(waiting_.end(), &timer)};
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void Notice::notify() {
  // Each waiter leaves the list when it resumes, which is later.
  for (asio::steady_timer* timer : waiting_) timer->cancel();
}

}  // namespace matrx
