#include "wire/multipart.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace matrx {
namespace {

constexpr std::size_t kBoundaryCharsMax = 70;  // RFC 2046
constexpr std::size_t kPartHeaderBytesMax = 16 * 1024;
constexpr std::size_t kDataBytesMax = 64 * 1024;  // of one event
constexpr std::size_t kPaddingBytesMax = 256;     // blanks behind a delimiter

std::unexpected<Error> broken_multipart(std::string_view what) {
  return fail(Code::invalid, "The multipart body is broken: " + std::string(what) + ".");
}

// Takes one `name="value"` from the front of the text.
struct Parameter {
  std::string_view name;
  std::string value;
};
std::optional<Parameter> take_parameter(std::string_view& text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  Parameter parameter{.name = trim(text.substr(0, equals)), .value = {}};
  text.remove_prefix(equals + 1);
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!text.starts_with('"')) {
    const auto end = text.find(';');
    parameter.value = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return parameter;
  }
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    const bool escaped =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (escaped) ++i;
    parameter.value += text[i];
  }
  if (i >= text.size()) return std::nullopt;  // the quote never ends
  const auto end = text.find(';', i);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return parameter;
}

// filename*=UTF-8''%e2%82%ac
std::optional<std::string> extended_value(const std::string& value) {
  const auto first = value.find('\'');
  const auto second = first == std::string::npos ? first : value.find('\'', first + 1);
  if (second == std::string::npos) return std::nullopt;
  if (!equals_ignoring_case(value.substr(0, first), "utf-8")) return std::nullopt;
  return percent_decode(std::string_view(value).substr(second + 1));
}

}  // namespace

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
  const auto semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  value.remove_prefix(semicolon + 1);
  while (!value.empty()) {
    auto parameter = take_parameter(value);
    if (!parameter) return std::nullopt;
    if (equals_ignoring_case(parameter->name, name)) return std::move(parameter->value);
  }
  return std::nullopt;
}

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (!equals_ignoring_case(type, "multipart/form-data")) return std::nullopt;
  auto boundary = header_parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryCharsMax) return std::nullopt;
  const auto is_bad = [](char c) { return c < ' ' || c > '~'; };
  if (std::ranges::any_of(*boundary, is_bad) || boundary->ends_with(' ')) return std::nullopt;
  return boundary;
}

void MultipartDecoder::append(std::string_view bytes) {
  buffer_.erase(0, std::exchange(used_, 0));
  buffer_ += bytes;
}

Result<std::optional<MultipartEvent>> MultipartDecoder::next() {
  using Kind = MultipartEvent::Kind;
  for (;;) {
    switch (state_) {
      case State::preamble:
      case State::data: {
        const bool told = state_ == State::data;
        auto event = take_data();
        if (!event) return std::nullopt;
        if (told) return event;
        break;
      }
      case State::after_delimiter: {
        TRY(taken, take_delimiter_line());
        if (!taken) return std::nullopt;
        if (state_ == State::done) return MultipartEvent{.kind = Kind::end};
        break;
      }
      case State::headers:
        return take_headers();
      case State::done:
        used_ = buffer_.size();  // an epilogue says nothing
        return std::nullopt;
    }
  }
}

// Bytes up to a delimiter, or as many as cannot be the beginning of one.
std::optional<MultipartEvent> MultipartDecoder::take_data() {
  using Kind = MultipartEvent::Kind;
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  const auto found = rest.find(delimiter_);
  if (found == 0) {
    used_ += delimiter_.size();
    state_ = State::after_delimiter;
    return MultipartEvent{.kind = Kind::part_end};
  }
  std::size_t count = found;
  if (found == std::string_view::npos) {
    count = rest.size() < delimiter_.size() ? 0 : rest.size() - delimiter_.size() + 1;
  }
  count = std::min(count, kDataBytesMax);
  if (count == 0) return std::nullopt;
  used_ += count;
  MultipartEvent event{.kind = Kind::data, .bytes = std::string(rest.substr(0, count))};
  return event;
}

// What follows a delimiter: "--" and it was the last one, or the end of the line.
Result<bool> MultipartDecoder::take_delimiter_line() {
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  if (rest.size() < 2) return false;
  if (rest.starts_with("--")) {
    state_ = State::done;
    return true;
  }
  const auto end = rest.find("\r\n");
  const auto padding = rest.substr(0, end);
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  if (end == std::string_view::npos) {
    const auto known = padding.ends_with('\r') ? padding.substr(0, padding.size() - 1) : padding;
    if (!std::ranges::all_of(known, is_blank) || known.size() > kPaddingBytesMax) {
      return broken_multipart("something follows a boundary");
    }
    return false;
  }
  if (!std::ranges::all_of(padding, is_blank) || padding.size() > kPaddingBytesMax) {
    return broken_multipart("something follows a boundary");
  }
  used_ += end;  // the line's end stays: a part without headers begins with an empty line
  state_ = State::headers;
  return true;
}

Result<std::optional<MultipartEvent>> MultipartDecoder::take_headers() {
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  const auto end = rest.find("\r\n\r\n");
  // Not found may mean that the last bytes are its beginning.
  const std::size_t known =
      end == std::string_view::npos ? rest.size() - std::min<std::size_t>(rest.size(), 4) : end;
  if (known > kPartHeaderBytesMax) return broken_multipart("a part's header is too long");
  if (end == std::string_view::npos) return std::nullopt;
  MultipartEvent event{.kind = MultipartEvent::Kind::part};
  std::string_view lines = rest.substr(0, end);
  while (!lines.empty()) {
    const auto stop = lines.find("\r\n");
    const auto line = lines.substr(0, stop);
    lines.remove_prefix(stop == std::string_view::npos ? lines.size() : stop + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (!equals_ignoring_case(trim(line.substr(0, colon)), "Content-Disposition")) continue;
    const auto value = line.substr(colon + 1);
    event.name = header_parameter(value, "name").value_or("");
    event.filename = header_parameter(value, "filename");
    if (const auto extended = header_parameter(value, "filename*")) {
      if (auto name = extended_value(*extended)) event.filename = std::move(name);
    }
  }
  used_ += end + 4;
  state_ = State::data;
  return event;
}

}  // namespace matrx
