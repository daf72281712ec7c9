#pragma once
// The schema of the SQLite registry: embedded migrations, applied in order at start.

#include "adapters/sqlite/database.hpp"

namespace matrx::sqlite {

// Brings the database to the newest schema; PRAGMA user_version counts what has been applied.
// invalid: it was written by a newer orchestrator. unavailable, exhausted: it cannot be written.
Result<void> migrate(Database& database);

}  // namespace matrx::sqlite
