#pragma once
// The live feed: one reader of the store for the whole process, which tells everybody else that
// there is something new. Who follows the feed reads at its own pace from its own cursor.

#include <functional>
#include <string>

#include "async/clock.hpp"
#include "async/notice.hpp"
#include "ports/store.hpp"

namespace matrx {

class Feed {
 public:
  Feed(Store& store, Clock& clock) : store_(store), clock_(clock) {}

  // Watches the store, and calls on_item for every event from now on; on_gap where some were
  // missed.
  Task<void> watch_for_ever(std::function<void(const FeedItem&)> on_item,
                            std::function<void()> on_gap);

  // What came after the cursor; waits for it up to `limit`, then answers an empty page.
  // An empty cursor: begin at the end, at once. invalid: see Store::feed.
  Task<Result<FeedPage>> next(std::string after, milliseconds limit);

 private:
  Store& store_;
  Clock& clock_;
  std::uint64_t news_ = 0;  // counts what the watcher saw
  Notice notice_;
};

}  // namespace matrx
