#pragma once
// Small files as a whole. Blocking: for a worker thread, or before the event loop runs.

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"

namespace matrx {

// Replaces the file so that a crash leaves the old one or the new one; makes the folder above it.
// exhausted: the disk is full. unavailable: it does not work.
Result<void> replace_file(const std::string& path, const std::string& text);

// Nothing: there is no such file. too_large: it is longer than bytes_max.
Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max);

// Opens below a folder, whatever hostile programs make of the path meanwhile: no link is followed,
// nothing outside is reached. As open(2); -1 and errno. The path is relative. resolve: more of
// openat2's RESOLVE_ flags. EAGAIN: a program holds a lease on the file, and may go on to.
int open_beneath(int folder, const std::string& path, int flags, unsigned mode = 0,
                 std::uint64_t resolve = 0);

// A descriptor for reading a regular file below a folder; waits for nobody: for no FIFO, and for no
// lease. not_found: there is none (any more). conflict: a program holds it.
Result<int> open_regular_file(const std::string& folder, const std::string& path);

// Copies what the file has now into an empty one; one that grows meanwhile is cut there, one that
// shrinks ends earlier. Holes stay holes. Each piece is shown to `see` on its way, holes as zeros.
// conflict: a program holds the file.
Result<void> copy_bytes(int from, int to,
                        const std::function<void(std::string_view)>& see = nullptr);

// How much of the file's size lies on no disk, where that is worth a word.
std::int64_t holes_of(const struct stat& info);

// Whether a range of the file was never written, or was and never reached the disk: SEEK_HOLE shows
// both (ext4, XFS and btrfs; on others a file counts as whole). Moves the descriptor's position.
bool has_holes(int file, std::int64_t size);

// Frees the disk where long pieces of the file are zeros; it reads as before. The descriptor is for
// reading and writing.
Result<void> dig_holes(int file);
// Gives a file that nobody changes any more a second name below a folder, where a copy would take
// more than a share of what is free there, or is not worth a try. False: it would not, or the file
// cannot have one there (it lies on another disk, say): to be copied.
bool link_where_scarce(int source, int folder, const std::string& path);

// False: a copy of the file would leave almost nothing of the folder's disk to others, and is not
// worth a try. Of a small one this is never so.
bool has_room_for_copy(int source, int folder);

// What errno says after a call that failed; `doing` is for the log.
std::unexpected<Error> file_error(const std::string& doing);

}  // namespace matrx
