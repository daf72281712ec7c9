#pragma once
// Room on the disk that is the registry's own. Whoever fills the disk does not keep us from writing
// down that a sandbox ends: changes go into a log whose blocks are there already, and from there
// into pages of the file that nothing uses yet. No other order of events is needed for that, and
// nobody can be faster than we are.

#include <cstdint>
#include <string>

#include "adapters/sqlite/database.hpp"

namespace matrx::sqlite {

// Some ten thousand changes of rows with their events.
inline constexpr std::int64_t kRoomBytes = 2LL * 1024 * 1024;
// Twice what the log grows to before its pages go into the file (1000 of them).
inline constexpr std::int64_t kLogBytes = 8LL * 1024 * 1024;

// Takes what is missing of it. exhausted: the disk is full; what there is stays.
Result<void> keep_room(Database& database, const std::string& path);

// Before the database is closed: all of the log goes into the file, and only its room stays.
void empty_log(Database& database, const std::string& path);

}  // namespace matrx::sqlite
