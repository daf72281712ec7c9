#pragma once
// Small files as a whole. Blocking: for a worker thread, or before the event loop runs.

#include <optional>
#include <string>

#include "base/error.hpp"

namespace matrx {

// Replaces the file so that a crash leaves the old one or the new one; makes the folder above it.
// exhausted: the disk is full. unavailable: it does not work.
Result<void> replace_file(const std::string& path, const std::string& text);

// Nothing: there is no such file. unavailable: it cannot be read, or is longer than bytes_max.
Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max);

// What errno says after a call that failed; `doing` is for the log.
std::unexpected<Error> file_error(const std::string& doing);

}  // namespace matrx
