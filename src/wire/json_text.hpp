#pragma once
// Writes JSON without building a tree: for large texts, and for the guest agent, which has to
// stay small.

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace matrx::json {

// Appends the text in quotes. It must be valid UTF-8.
void append_quoted(std::string& out, std::string_view text);

// An object, written member by member. Distinct names for distinct types: a string literal would
// quietly become a bool.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }

  ObjectWriter& text(std::string_view name, std::string_view value) {
    begin(name);
    append_quoted(out_, value);
    return *this;
  }
  template <std::integral I>
  ObjectWriter& number(std::string_view name, I value) {
    begin(name);
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
    return *this;
  }
  ObjectWriter& flag(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
  }
  // A value that is JSON already.
  ObjectWriter& raw(std::string_view name, std::string_view value) {
    begin(name);
    out_ += value;
    return *this;
  }
  // Begins a member; the caller appends its value.
  std::string& begin(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    append_quoted(out_, name);
    out_ += ':';
    return out_;
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace matrx::json
