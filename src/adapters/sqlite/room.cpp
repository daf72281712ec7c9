#include "adapters/sqlite/room.hpp"

#include <fcntl.h>

#include <cerrno>

#include "base/descriptor.hpp"
#include "base/files.hpp"

namespace matrx::sqlite {
namespace {

Result<std::int64_t> read_number(Database& database, const char* pragma) {
  TRY(statement, database.prepare(pragma));
  TRY(has_row, statement.step());
  const std::int64_t number = has_row ? statement.integer(0) : 0;
  CHECK_OK(statement.run());
  return number;
}

// A table that comes and goes leaves its pages behind. In two transactions, so that they have been
// written once and have blocks of the disk.
Result<void> add_free_pages(Database& database) {
  const std::string bytes = std::to_string(kRoomBytes);
  TRY(making, Transaction::begin(database));
  CHECK_OK(database.execute("CREATE TABLE IF NOT EXISTS matrx_room (filler BLOB)"));
  CHECK_OK(database.execute("INSERT INTO matrx_room VALUES (zeroblob(" + bytes + "))"));
  CHECK_OK(making.commit());
  CHECK_OK(database.execute("DROP TABLE matrx_room"));
  return database.execute("PRAGMA wal_checkpoint(PASSIVE)");
}

// Blocks beyond the log's end: SQLite sees the size that it has given it.
Result<void> add_log_blocks(const std::string& path) {
  const std::string log = path + "-wal";
  const Descriptor file(::open(log.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return {};
  if (!file) return file_error("open " + log);
  if (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, kLogBytes) == 0) return {};
  if (errno == EOPNOTSUPP) return {};  // a file system that promises nothing beforehand
  return file_error("take room for " + log);
}

}  // namespace

Result<void> keep_room(Database& database, const std::string& path) {
  CHECK_OK(add_log_blocks(path));
  TRY(pages, read_number(database, "PRAGMA freelist_count"));
  TRY(page_bytes, read_number(database, "PRAGMA page_size"));
  if (pages * page_bytes >= kRoomBytes / 2) return {};
  return add_free_pages(database);
}

void empty_log(Database& database, const std::string& path) {
  // What does not work here costs room, or leaves a log that the next start reads.
  [[maybe_unused]] const auto emptied = database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  [[maybe_unused]] const auto kept = add_log_blocks(path);
}

}  // namespace matrx::sqlite
