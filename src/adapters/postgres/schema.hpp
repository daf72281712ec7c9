#pragma once
// Which schema this program needs. The files are in migrations/, applied by the operator.

#include <array>
#include <string_view>

namespace matrx::postgres {

// In order; file n brings the schema to version n.
inline constexpr auto kMigrations = std::to_array<std::string_view>({
    "001_create_sandboxes.sql",
    "002_create_events.sql",
    "003_create_coordination.sql",
    "004_note_what_is_forgotten.sql",
    "005_keep_homes.sql",
    "006_pause_and_idle.sql",
    "007_close_definers.sql",
});

inline constexpr int kServerVersionMin = 130000;  // xid8 and pg_current_xact_id()

}  // namespace matrx::postgres
