#include "wire/json_array.hpp"

#include <cstddef>

namespace matrx::json {
namespace {

std::unexpected<Error> broken_document(std::size_t at) {
  return fail(Code::invalid, "JSON decode error at byte " + std::to_string(at) + ".");
}

// Finds where values end; what is in them is for parse().
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }

  bool is_at_end() {
    skip_space();
    return at_ == text_.size();
  }

  bool is_next(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }

  bool take(char c) {
    const bool is_there = is_next(c);
    if (is_there) ++at_;
    return is_there;
  }

  // The text of the next value; empty where there is none.
  std::string_view value_text() {
    skip_space();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (depth == 0 && ends_scalar(c)) break;
      ++at_;
      if (c == '"') skip_string();
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      const bool is_whole = c == '"' || c == '}' || c == ']';
      if (depth == 0 && is_whole) break;
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  static bool ends_scalar(char c) {
    return is_space(c) || c == ',' || c == ':' || c == '}' || c == ']';
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  // From behind its first quote.
  void skip_string() {
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return;
      if (c == '\\') ++at_;
    }
    at_ = text_.size();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<void> read_elements(Cursor& cursor, const std::function<Result<void>(const value&)>& see) {
  cursor.take('[');
  if (cursor.take(']')) return {};
  for (;;) {
    TRY(element, parse(cursor.value_text()));
    CHECK_OK(see(element));
    if (cursor.take(']')) return {};
    if (!cursor.take(',')) return broken_document(cursor.at());
  }
}

}  // namespace

Result<ArrayDocument> parse_array_in(std::string_view text, std::string_view name,
                                     const std::function<Result<void>(const value&)>& see) {
  Cursor cursor(text);
  ArrayDocument document;
  if (!cursor.take('{')) return broken_document(cursor.at());
  bool is_open = !cursor.take('}');
  while (is_open) {
    TRY(key, parse(cursor.value_text()));
    if (!key.is_string() || !cursor.take(':')) return broken_document(cursor.at());
    const boost::json::string& member = key.get_string();
    if (std::string_view(member.data(), member.size()) == name && cursor.is_next('[')) {
      // Twice would be two documents in one.
      if (document.has_array) return broken_document(cursor.at());
      document.has_array = true;
      CHECK_OK(read_elements(cursor, see));
    } else {
      TRY(other, parse(cursor.value_text()));
      document.others[member] = std::move(other);
    }
    is_open = cursor.take(',');
    if (!is_open && !cursor.take('}')) return broken_document(cursor.at());
  }
  if (!cursor.is_at_end()) return broken_document(cursor.at());
  return document;
}

}  // namespace matrx::json
