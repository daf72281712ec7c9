#include "adapters/sqlite/migrations.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace matrx::sqlite {
namespace {

using Migration = std::pair<std::string_view, std::string_view>;  // file name, SQL

constexpr auto kMigrations = std::to_array<Migration>({
#include "sqlite_migrations.inc"
});

}  // namespace

Result<void> migrate(Database& database) {
  TRY(statement, database.prepare("PRAGMA user_version"));
  TRY(has_row, statement.step());
  const std::int64_t version = has_row ? statement.integer(0) : 0;
  CHECK_OK(statement.run());
  if (version > static_cast<std::int64_t>(kMigrations.size())) {
    return fail(Code::invalid, "the SQLite database has schema version " + std::to_string(version) +
                                   ", this orchestrator knows " +
                                   std::to_string(kMigrations.size()) +
                                   ": start the newer orchestrator that wrote it");
  }
  for (auto next = static_cast<std::size_t>(version); next < kMigrations.size(); ++next) {
    TRY(transaction, Transaction::begin(database));
    CHECK_OK(database.execute(std::string(kMigrations[next].second)));
    CHECK_OK(database.execute("PRAGMA user_version = " + std::to_string(next + 1)));
    CHECK_OK(transaction.commit());
  }
  return {};
}

}  // namespace matrx::sqlite
