#pragma once
// SQLite's C API as four small owners. Blocking: use from one worker thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace matrx::sqlite {

class Database;

// A prepared statement. bind… in order of the parameters, then step() row by row, then reset().
class Statement {
 public:
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind(double number);
  Statement& bind(std::optional<std::int64_t> number);
  Statement& bind_null();

  // True: there is a row. unavailable: busy, I/O error. exhausted: the disk is full. conflict: a
  // constraint. internal: the file is no database, or damaged.
  Result<bool> step();
  // Runs to the end and makes it ready for the next use.
  Result<void> run();

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;

 private:
  friend class Database;
  struct Close {
    void operator()(sqlite3_stmt* s) const;
  };
  Statement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Close> statement_;
  int bound_ = 0;
};

class Database {
 public:
  // invalid: the file cannot be opened; the message names it. exhausted: the disk is full.
  static Result<Database> open(const std::string& path);

  Result<Statement> prepare(std::string_view sql);
  Result<void> execute(const std::string& sql);  // one or more statements without parameters
  int changes() const;                           // rows changed by the last statement
  // The write-ahead log stays where it is when the database is closed.
  void keep_log();

 private:
  struct Close {
    void operator()(sqlite3* d) const;
  };
  explicit Database(sqlite3* d) : database_(d) {}
  std::unique_ptr<sqlite3, Close> database_;
};

// Rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace matrx::sqlite
