#include "apps/orchestrator/settings_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/files.hpp"
#include "base/text.hpp"

namespace matrx {
namespace {

constexpr const char* kFileVariable = "MATRX_SETTINGS_FILE";
constexpr std::size_t kSettingsBytesMax = 256 * 1024;

// Reads one file from its beginning to its end.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Settings> parse() {
    Settings settings;
    while (skip_to_line()) {
      const auto end = std::min(text_.find('\n', at_), text_.size());
      const auto equals = text_.substr(at_, end - at_).find('=');
      if (equals == std::string_view::npos) return wrong("has no '='");
      auto name = trim(text_.substr(at_, equals));
      if (name.starts_with("export ")) name = trim(name.substr(7));
      at_ += equals + 1;
      std::string value;
      if (!read_value(value)) return wrong("has a quote that is not closed");
      settings[std::string(name)] = std::move(value);
    }
    return settings;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  bool is_blank() const { return text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'; }

  // False: no line is left.
  bool skip_to_line() {
    while (!at_end()) {
      if (text_[at_] == '#' || text_[at_] == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (is_blank() || text_[at_] == '\n') {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  // To the end of the line: parts in quotes, then one without. False: a quote is left open.
  bool read_value(std::string& value) {
    for (skip_blanks(); !at_end() && (text_[at_] == '\'' || text_[at_] == '"'); skip_blanks()) {
      const char quote = text_[at_++];
      if (!read_quoted(quote, value)) return false;
      ++at_;
    }
    std::size_t kept = value.size();  // blanks at the end of the line are no part of it
    for (; !at_end() && text_[at_] != '\n'; ++at_) {
      const bool is_escaped = text_[at_] == '\\';
      if (is_escaped && ++at_ >= text_.size()) break;
      if (is_escaped && text_[at_] == '\n') continue;  // it goes on with the next line
      value += text_[at_];
      if (is_escaped || !is_blank()) kept = value.size();
    }
    value.resize(kept);
    return true;
  }

  void skip_blanks() {
    while (!at_end() && is_blank()) ++at_;
  }

  bool read_quoted(char quote, std::string& value) {
    constexpr std::string_view kEscaped = "\"\\`$";
    for (; !at_end() && text_[at_] != quote; ++at_) {
      const bool escapes = quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size();
      if (escapes && text_[at_ + 1] == '\n') {
        ++at_;
      } else if (escapes && kEscaped.find(text_[at_ + 1]) != std::string_view::npos) {
        value += text_[++at_];
      } else {
        value += text_[at_];
      }
    }
    return !at_end();
  }

  std::unexpected<Error> wrong(std::string_view what) const {
    const auto before = text_.substr(0, std::min(at_, text_.size()));
    return fail(Code::invalid,
                fmt::format("line {} {}", 1 + std::ranges::count(before, '\n'), what));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Settings> parse_settings(std::string_view text) { return Parser(text).parse(); }

Result<Environment> with_settings_file(const Environment& environment) {
  const std::string path = environment(kFileVariable).value_or("");
  if (path.empty()) return environment;
  const auto read = read_file(path, kSettingsBytesMax);
  const auto text = read.value_or(std::nullopt);
  if (!text) {
    return fail(Code::unavailable,
                fmt::format("{} is '{}', which cannot be read{}", kFileVariable, path,
                            read ? ": there is no such file" : ""),
                read ? "" : read.error().internal);
  }
  auto settings = parse_settings(*text);
  if (!settings) {
    return fail(Code::invalid, fmt::format("{}: {}", path, settings.error().message));
  }
  return [environment,
          settings = *std::move(settings)](const std::string& name) -> std::optional<std::string> {
    const auto found = settings.find(name);
    const bool is_in_file = found != settings.end() && name != kFileVariable;
    return is_in_file ? std::optional(found->second) : environment(name);
  };
}

}  // namespace matrx
