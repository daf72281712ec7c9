#pragma once
// Small files as a whole. Blocking: for a worker thread, or before the event loop runs.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace matrx {

// Replaces the file so that a crash leaves the old one or the new one; makes the folder above it.
// exhausted: the disk is full. unavailable: it does not work.
Result<void> replace_file(const std::string& path, const std::string& text);

// Nothing: there is no such file. unavailable: it cannot be read, or is longer than bytes_max.
Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max);

// Opens below a folder, whatever hostile programs make of the path meanwhile: no link is followed,
// nothing outside is reached. As open(2); -1 and errno. The path is relative. resolve: more of
// openat2's RESOLVE_ flags.
int open_beneath(int folder, const std::string& path, int flags, unsigned mode = 0,
                 std::uint64_t resolve = 0);

// A descriptor for reading a regular file below a folder; never waits for a FIFO. not_found: there
// is none (any more).
Result<int> open_regular_file(const std::string& folder, const std::string& path);

// Copies what the file has now; one that grows meanwhile is cut there, one that shrinks ends
// earlier. Each piece is shown to `see` on its way.
Result<void> copy_bytes(int from, int to,
                        const std::function<void(std::string_view)>& see = nullptr);

// What errno says after a call that failed; `doing` is for the log.
std::unexpected<Error> file_error(const std::string& doing);

}  // namespace matrx
