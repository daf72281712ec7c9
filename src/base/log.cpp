#include "base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

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

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    switch (c) {
      case '"':
        out.append(std::string_view("\\\""));
        break;
      case '\\':
        out.append(std::string_view("\\\\"));
        break;
      case '\n':
        out.append(std::string_view("\\n"));
        break;
      case '\r':
        out.append(std::string_view("\\r"));
        break;
      case '\t':
        out.append(std::string_view("\\t"));
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

// Values come from requests and sandboxes: neither format may be broken by what they contain.
void append_value(fmt::memory_buffer& out, const Field& field, Format format) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    const bool plain = format == Format::text && !text->empty() &&
                       text->find_first_of(" \"\\\t\r\n=") == std::string_view::npos;
    if (plain) {
      out.append(*text);
    } else if (utf8_length(*text)) {
      append_json_string(out, *text);
    } else {
      append_json_string(out, to_valid_utf8(std::string(*text)));
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
    fmt::format_to(std::back_inserter(out), "{} {:<8} {}", time_text(), level_name(level), message);
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
