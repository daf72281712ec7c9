#pragma once
// Structured log lines: one event a line, JSON or text, with named fields.
//
//   log::info("sandbox ready", {{"sandbox_id", id.text()}, {"duration_ms", 212}});
//
// The one process-wide object of the code base: a logger that had to be handed to every function
// would be left out where it is needed most. Level and sink are set once by main (or a test).

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace matrx::log {

enum class Level { debug, info, warning, error, critical };

std::string_view level_name(Level level);  // "INFO"
std::optional<Level> parse_level(std::string_view name);

struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  Field(std::string_view n, I v) : name(n), value(static_cast<std::int64_t>(v)) {}
};

using Fields = std::initializer_list<Field>;

enum class Format { json, text };

// Where finished lines go (with their newline). Called from one thread at a time.
using Sink = std::function<void(std::string_view line)>;

// Not thread safe: call before other threads log.
void configure(Level level, Format format, Sink sink);

// Writes to a descriptor, and never waits for its reader: what one that stands still does not take
// is held, and beyond kLogHeldBytesMax lost, which a later line tells. A line after a quiet moment
// is written at once; in a flood lines are gathered, and wait for at most flush()'s next call. Call
// flush() from a timer and at exit.
Sink descriptor_sink(int descriptor);
void flush();

// The same at the exit: waits for a reader that is behind, but not longer than that.
void close(std::chrono::milliseconds limit);

// From any thread, at any time.
void set_level(Level level);

bool enabled(Level level);
void write(Level level, std::string_view message, Fields fields = {});

inline void debug(std::string_view m, Fields f = {}) { write(Level::debug, m, f); }
inline void info(std::string_view m, Fields f = {}) { write(Level::info, m, f); }
inline void warning(std::string_view m, Fields f = {}) { write(Level::warning, m, f); }
inline void error(std::string_view m, Fields f = {}) { write(Level::error, m, f); }
inline void critical(std::string_view m, Fields f = {}) { write(Level::critical, m, f); }

}  // namespace matrx::log
