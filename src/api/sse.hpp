#pragma once
// Server-sent events (WHATWG HTML §9.2).

#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::api {

inline constexpr auto kStopPoll = milliseconds(500);  // between two looks whether anybody listens

// Runs what writes an answer without an end, until it ends or nobody is there to read it. What it
// waits for is never cancelled in between: it might have just received something.
Task<void> while_wanted(http::BodyWriter& writer, Task<void> writing);

// The header of an answer that is a stream of events.
http::Response sse_response();

// One event; id: where a client goes on after it.
std::string sse_event(std::string_view name, const json::value& data,
                      std::optional<std::uint64_t> id = {});

inline constexpr std::string_view kSseKeepAlive = ": still here\n\n";

// Output in pieces → valid UTF-8 in pieces: a character that is cut in two is held back, other
// bytes become U+FFFD.
class OutputText {
 public:
  std::string take(std::string bytes);
  std::size_t held() const { return held_.size(); }
  // What was held back, at the end.
  std::string finish();

 private:
  std::string held_;
};

}  // namespace matrx::api
