#include "core/feed.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx {

Task<void> Feed::watch_for_ever(std::function<void(const FeedItem&)> on_item,
                                std::function<void()> on_gap) {
  std::string cursor;
  for (;;) {
    const auto page = co_await store_.feed(cursor, kFeedPageMax);
    if (!page) {
      // Not one of this store's: it was replaced under us. Otherwise it is away; the same later.
      if (page.error().code == Code::invalid) {
        cursor.clear();
        on_gap();
      }
      co_await clock_.sleep(kFeedPoll);
      continue;
    }
    for (const FeedItem& item : page->items) on_item(item);
    cursor = page->cursor;
    if (!page->items.empty()) {
      ++news_;
      notice_.notify();
    }
    if (page->items.size() < kFeedPageMax) co_await store_.wait_for_feed(kFeedPoll);
  }
}

Task<Result<FeedPage>> Feed::next(std::string after, milliseconds limit) {
  for (bool waited = after.empty();; waited = true) {
    const std::uint64_t news = news_;
    CO_TRY(page, co_await store_.feed(after, kFeedPageMax));
    if (!page.items.empty() || waited) co_return std::move(page);
    if (news == news_) co_await notice_.wait(limit);
  }
}

}  // namespace matrx
