#pragma once
// Sandbox ⇄ row of sandbox_instances.

#include "adapters/sqlite/database.hpp"
#include "model/sandbox.hpp"

namespace matrx::sqlite {

// The columns of a SELECT that read_sandbox reads, in its order.
extern const char* const kSandboxColumns;

// internal: the row holds something that we never write.
Result<Sandbox> read_sandbox(const Statement& row);

// Binds, in this order: every column of kSandboxColumns but last_heartbeat_at and
// last_active_at.
void bind_sandbox(Statement& statement, const Sandbox& sandbox);

// For binding order and SQL of INSERT and UPDATE.
extern const char* const kInsertSandbox;
extern const char* const kUpdateSandbox;  // further parameters: sandbox_id, version before

}  // namespace matrx::sqlite
