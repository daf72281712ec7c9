#include "api/sse.hpp"

#include <utility>

#include "async/clock.hpp"
#include "async/race.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

// How many bytes at the end begin a character that is not complete yet.
std::size_t unfinished(std::string_view bytes) {
  for (std::size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0U) == 0x80U) continue;               // goes on
    const bool begins = byte >= 0xC2U && byte <= 0xF4U;  // no other byte can
    const std::size_t wanted = !begins ? 1 : byte >= 0xF0U ? 4 : byte >= 0xE0U ? 3 : 2;
    return wanted > back ? back : 0;
  }
  return 0;
}

Task<void> until_unwanted(http::BodyWriter& writer) {
  SystemClock clock;
  while (!writer.is_over()) co_await clock.sleep(kStopPoll);
}

}  // namespace

Task<void> while_wanted(http::BodyWriter& writer, Task<void> writing) {
  (void)co_await race(std::move(writing), until_unwanted(writer));
}

http::Response sse_response() {
  http::Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Accel-Buffering", "no");
  return response;
}

std::string sse_event(std::string_view name, const json::value& data,
                      std::optional<std::uint64_t> id) {
  std::string text;
  if (id) text += "id: " + std::to_string(*id) + "\n";
  text.append("event: ").append(name).append("\ndata: ");
  return text + json::serialize(data) + "\n\n";
}

std::string OutputText::take(std::string bytes) {
  std::string all = std::exchange(held_, {}) + std::move(bytes);
  const std::size_t keep = unfinished(all);
  held_ = all.substr(all.size() - keep);
  all.resize(all.size() - keep);
  return to_valid_utf8(std::move(all));
}

std::string OutputText::finish() { return to_valid_utf8(std::exchange(held_, {})); }

}  // namespace matrx::api
