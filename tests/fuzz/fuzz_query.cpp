// A request target's query, and the texts that are decoded on the way.

#include <cstdlib>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "http/message.hpp"
#include "model/page_cursor.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx;
  const std::string text(reinterpret_cast<const char*>(data), size);
  http::Request request;
  request.query = text;
  const auto value = request.query_value("a");
  const auto all = request.query_values("a");
  if (value.has_value() == all.empty()) std::abort();
  if (value && *value != all.back()) std::abort();
  if (const auto id = SandboxId::parse(text); id && id->text() != text) std::abort();
  if (const auto at = from_rfc3339(text); at && from_rfc3339(to_rfc3339(*at)) != at) std::abort();
  if (const auto bytes = base64_decode(text); bytes && base64_encode(*bytes) != text) std::abort();
  if (const auto cursor = PageCursor::parse(text)) {
    const auto again = PageCursor::parse(cursor->text());
    if (!again || again->id != cursor->id || again->created_at != cursor->created_at) std::abort();
  }
  if (!utf8_length(to_valid_utf8(text))) std::abort();
  if (utf8_length(text) && to_valid_utf8(text) != text) std::abort();
  (void)parse_bytes(text);
  (void)percent_decode(text, true);
  return 0;
}
