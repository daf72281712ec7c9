// GET /events: every lifecycle change as it happens, as server-sent events (WHATWG HTML §9.2).

#include "api/api.hpp"
#include "api/errors.hpp"
#include "api/sse.hpp"
#include "base/limits.hpp"

namespace matrx::api {
namespace {

constexpr const char* kRetry = "retry: 1000\n";  // milliseconds until a browser reconnects

std::string to_sse(const FeedItem& item) {
  std::string text = "id: " + item.cursor + "\nevent: sandbox\ndata: ";
  text += boost::json::serialize(event_schema().encode(to_body(item.event)));
  return text + "\n\n";
}

// How many follow the feed; counts down when the answer is gone, however it ends.
class Reader {
 public:
  explicit Reader(std::size_t& readers) : readers_(readers) { ++readers_; }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { --readers_; }

 private:
  std::size_t& readers_;
};

}  // namespace

Task<http::Response> Api::live_events(Context& context) {
  if (feed_readers_ >= kFeedReadersMax) {
    co_return error_response(429, Code::exhausted, "Too many connections follow the events.",
                             context.request_id);
  }
  const auto reader = std::make_shared<Reader>(feed_readers_);  // before the first wait
  std::string cursor(context.request.headers.get("Last-Event-ID"));
  if (const auto given = context.request.query_value("last_event_id")) cursor = *given;
  bool reset = false;
  auto page = co_await core_.feed().next(cursor, milliseconds(0));
  if (!page && page.error().code == Code::invalid) {
    reset = true;  // what it missed is no longer known: it has to read the list again
    page = co_await core_.feed().next("", milliseconds(0));
  }
  if (!page) co_return error_response(page.error(), context.request_id);

  http::Response response = sse_response();
  response.stream = [this, reader, reset, first = *std::move(page)](http::BodyWriter& writer) {
    return stream_events(first, reset, writer);
  };
  co_return response;
}

Task<void> Api::stream_events(FeedPage page, bool reset, http::BodyWriter& writer) {
  std::string text = kRetry;
  if (reset) text += "event: reset\ndata: {}\n";
  // An id at once, so that who loses the connection before the first event misses nothing. Not
  // before events that are on their way: theirs come with them, and the last one's would skip them.
  if (page.items.empty()) text += "id: " + page.cursor + "\n";
  text += "\n";
  auto quiet = milliseconds(0);
  for (;;) {
    for (const FeedItem& item : page.items) text += to_sse(item);
    if (text.empty() && quiet >= kFeedKeepAlive) text = ": still here\n\n";
    if (!text.empty()) {
      if (!co_await writer.write(text)) co_return;
      quiet = milliseconds(0);
    }
    text.clear();
    if (writer.is_over()) co_return;
    auto next = co_await core_.feed().next(page.cursor, kStopPoll);
    if (!next) co_return;  // the registry is away: the client comes back with its cursor
    if (next->items.empty()) quiet += kStopPoll;
    page = *std::move(next);
  }
}

}  // namespace matrx::api
