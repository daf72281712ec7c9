#include "adapters/sqlite/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>
#include <filesystem>

#include "base/descriptor.hpp"

namespace matrx::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 5000;  // another process, such as a backup, holds the file

Code kind_of(sqlite3* database, int code) {
  if (code == SQLITE_CONSTRAINT) return Code::conflict;
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) return Code::internal;
  // Of the files beside the database it only says that they do not work.
  const int why = code == SQLITE_IOERR ? sqlite3_system_errno(database) : 0;
  const bool is_full = code == SQLITE_FULL || why == ENOSPC || why == EDQUOT;
  return is_full ? Code::exhausted : Code::unavailable;
}

std::unexpected<Error> failure(sqlite3* database, std::string_view doing) {
  const Code kind = kind_of(database, sqlite3_errcode(database));
  return fail(kind,
              kind == Code::exhausted ? "The disk of the registry is full."
                                      : "The registry's database does not work.",
              std::string(doing) + ": " + sqlite3_errmsg(database));
}

// The registry has what clients put into rows. SQLite gives what lies beside it the same mode.
// Closed before SQLite opens it: with a later one all locks of the process would go.
void keep_from_others(const std::string& path) {
  if (path.empty() || path == ":memory:") return;
  const Descriptor made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made || errno != EEXIST) return;  // what is wrong with it SQLite says
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code ignored;  // somebody else's file is theirs to open or to close
    std::filesystem::permissions(path + suffix, std::filesystem::perms::others_all,
                                 std::filesystem::perm_options::remove, ignored);
  }
}

}  // namespace

void Statement::Close::operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text(statement_.get(), ++bound_, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), ++bound_, number);
  return *this;
}

Statement& Statement::bind(double number) {
  sqlite3_bind_double(statement_.get(), ++bound_, number);
  return *this;
}

Statement& Statement::bind(std::optional<std::int64_t> number) {
  return number ? bind(*number) : bind_null();
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_.get(), ++bound_);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    bound_ = 0;
    return false;
  }
  auto error = failure(database_, sqlite3_sql(statement_.get()));
  sqlite3_reset(statement_.get());
  bound_ = 0;
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    TRY(row, step());
    if (!row) return {};
  }
}

std::string Statement::text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_.get(), column);
  if (bytes == nullptr) return {};
  return std::string(reinterpret_cast<const char*>(bytes),
                     static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::optional<std::int64_t> Statement::maybe_integer(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

void Database::Close::operator()(sqlite3* d) const { sqlite3_close_v2(d); }

Result<Database> Database::open(const std::string& path) {
  keep_from_others(path);
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    const bool is_full = kind_of(raw, code) == Code::exhausted;
    return fail(is_full ? Code::exhausted : Code::invalid,
                "cannot open the SQLite database " + path + ": " + sqlite3_errstr(code));
  }
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return failure(database_.get(), sql);
  return Statement(database_.get(), raw);
}

Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure(database_.get(), sql);
  }
  return {};
}

void Database::keep_log() {
  int yes = 1;
  sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_PERSIST_WAL, &yes);
}

int Database::changes() const { return sqlite3_changes(database_.get()); }

Result<Transaction> Transaction::begin(Database& database) {
  CHECK_OK(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  // Fails only where SQLite has rolled back by itself already.
  [[maybe_unused]] const auto ignored = database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  CHECK_OK(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace matrx::sqlite
