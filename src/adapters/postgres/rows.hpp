#pragma once
// Sandbox ⇄ row of sandbox_instances in Postgres.

#include <optional>
#include <string>

#include "adapters/postgres/connection.hpp"
#include "model/sandbox.hpp"
#include "ports/store.hpp"

namespace matrx::postgres {

// The columns of a SELECT that read_sandbox reads, in its order.
extern const char* const kSandboxColumns;
// The condition of rows whose sandbox has not ended.
inline constexpr const char* kActive =
    "status IN ('creating', 'starting', 'ready', 'running', 'shutting_down')";
// The columns that are written, and their values as parameters from $1 on.
extern const char* const kWrittenColumns;
extern const char* const kWrittenValues;
inline constexpr int kWrittenCount = 27;

// Milliseconds since 1970 of a timestamp column.
std::string ms_of(const char* column);

// internal: the row holds something that we never write.
Result<Sandbox> read_sandbox(const Rows& rows, int row);
// Those that can be read; the others are logged.
std::vector<Sandbox> read_sandboxes(const Rows& rows);

// From that column on: event_id, sandbox_id, at in ms, type, status, actor, detail.
SandboxEvent read_event(const Rows& rows, int row, int first_column);

// Parameters $1 to $27.
Params to_params(const Sandbox& sandbox);

}  // namespace matrx::postgres
