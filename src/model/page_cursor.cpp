#include "model/page_cursor.hpp"

#include <charconv>

namespace matrx {

Result<PageCursor> PageCursor::parse(std::string_view text) {
  const auto dot = text.find('.');
  std::int64_t ms = 0;
  const char* end = text.data() + std::min(dot, text.size());
  const auto [stopped, ec] = std::from_chars(text.data(), end, ms);
  if (dot == std::string_view::npos || ec != std::errc() || stopped != end) {
    return fail(Code::invalid, "The cursor is not one of a page before.");
  }
  const auto id = SandboxId::parse(text.substr(dot + 1));
  if (!id) return fail(Code::invalid, "The cursor is not one of a page before.");
  return PageCursor{from_unix_ms(ms), *id};
}

std::string PageCursor::text() const {
  return std::to_string(to_unix_ms(created_at)) + "." + id.text();
}

}  // namespace matrx
