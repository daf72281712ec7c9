#include "base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <mutex>
#include <optional>

#include "base/limits.hpp"
#include "base/line_writer.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace matrx::log {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kGatherBytesMax = 64 * 1024;
constexpr auto kQuiet = std::chrono::milliseconds(5);

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a log that cannot be written must not stop the daemon
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

struct State {
  std::mutex mutex;
  std::atomic<Level> level = Level::info;
  Format format = Format::text;
  Sink sink = [](std::string_view line) { write_all(STDERR_FILENO, line); };
  fmt::memory_buffer line;
  // Of descriptor_sink:
  std::optional<LineWriter> writer;
  SteadyTime last_write;
};

State& state() {
  static State instance;
  return instance;
}

// Without what a terminal would obey: C0, DEL, and C1, which is two bytes in UTF-8.
void append_valid(fmt::memory_buffer& out, std::string_view text, bool in_quotes) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_c1 = byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) <= 0x9F;
    if (in_quotes && (text[i] == '"' || text[i] == '\\')) {
      out.push_back('\\');
      out.push_back(text[i]);
    } else if (text[i] == '\n') {
      out.append(std::string_view("\\n"));
    } else if (text[i] == '\r') {
      out.append(std::string_view("\\r"));
    } else if (text[i] == '\t') {
      out.append(std::string_view("\\t"));
    } else if (byte(i) < 0x20 || byte(i) == 0x7F || is_c1) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", is_c1 ? byte(++i) : byte(i));
    } else {
      out.push_back(text[i]);
    }
  }
}

// Some bytes of anybody as a part of a line, be it for a parser or for somebody's terminal.
void append_text(fmt::memory_buffer& out, std::string_view text, bool in_quotes) {
  if (utf8_length(text)) return append_valid(out, text, in_quotes);
  append_valid(out, to_valid_utf8(std::string(text)), in_quotes);
}

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
  out.push_back('"');
  append_text(out, text, true);
  out.push_back('"');
}

// Needs no quotes in the text format.
bool is_plain(std::string_view text) {
  const auto is_odd = [](char c) {
    return c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=';
  };
  return !text.empty() && std::ranges::none_of(text, is_odd);
}

// Values come from requests and sandboxes: neither format may be broken by what they contain.
void append_value(fmt::memory_buffer& out, const Field& field, Format format) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (format == Format::text && is_plain(*text)) {
      out.append(*text);
    } else {
      append_json_string(out, *text);
    }
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    fmt::format_to(std::back_inserter(out), "{}", *number);
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    fmt::format_to(std::back_inserter(out), "{:.3f}", *real);
  } else {
    out.append(std::string_view(std::get<bool>(field.value) ? "true" : "false"));
  }
}

// What is not known is left out.
bool is_empty(const Field& field) {
  const auto* text = std::get_if<std::string_view>(&field.value);
  return text != nullptr && text->empty();
}

// Formatting the date costs more than the rest of a line; it changes once a millisecond.
std::string_view time_text() {
  static TimePoint last;
  static std::string text;
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  if (now != last || text.empty()) {
    last = now;
    text = to_rfc3339(now);
  }
  return text;
}

void gather(LineWriter& writer, SteadyTime& last_write, std::string_view line) {
  writer.add(line);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_write >= kQuiet || writer.held_bytes() >= kGatherBytesMax) {
    writer.write();
    last_write = now;
  }
}

// A whole line, handed to the sink.
void write_line(State& s, Level level, std::string_view message, Fields fields) {
  fmt::memory_buffer& out = s.line;
  out.clear();
  if (s.format == Format::json) {
    fmt::format_to(std::back_inserter(out), R"({{"time":"{}","level":"{}","message":)", time_text(),
                   level_name(level));
    append_json_string(out, message);
    for (const Field& field : fields) {
      if (is_empty(field)) continue;
      fmt::format_to(std::back_inserter(out), ",\"{}\":", field.name);
      append_value(out, field, s.format);
    }
    out.push_back('}');
  } else {
    fmt::format_to(std::back_inserter(out), "{} {:<8} ", time_text(), level_name(level));
    append_text(out, message, false);
    for (const Field& field : fields) {
      if (is_empty(field)) continue;
      fmt::format_to(std::back_inserter(out), "  {}=", field.name);
      append_value(out, field, s.format);
    }
  }
  out.push_back('\n');
  s.sink(std::string_view(out.data(), out.size()));
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::debug:
      return "DEBUG";
    case Level::info:
      return "INFO";
    case Level::warning:
      return "WARNING";
    case Level::error:
      return "ERROR";
    case Level::critical:
      return "CRITICAL";
  }
  return "INFO";
}

std::optional<Level> parse_level(std::string_view name) {
  for (Level level : {Level::debug, Level::info, Level::warning, Level::error, Level::critical}) {
    if (equals_ignoring_case(name, level_name(level))) return level;
  }
  return std::nullopt;
}

void configure(Level level, Format format, Sink sink) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.level = level;
  s.format = format;
  s.sink = std::move(sink);
}

void set_level(Level level) { state().level = level; }

Sink descriptor_sink(int descriptor) {
  state().writer.emplace(descriptor, kLogHeldBytesMax);
  return [](std::string_view line) {
    State& s = state();
    if (s.writer) gather(*s.writer, s.last_write, line);
  };
}

void flush() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.writer) s.writer->write();
}

void close(milliseconds limit) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.writer) s.writer->write_within(limit);
}

bool enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (const auto lost = s.writer ? s.writer->take_lost() : 0) {
    write_line(s, Level::warning, "lines of this log were lost: its reader stood still",
               {{"lines", lost}});
  }
  write_line(s, level, message, fields);
  if (level >= Level::warning && s.writer) s.writer->write();
}

}  // namespace matrx::log
