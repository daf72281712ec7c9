// A registry that an older orchestrator has written, opened by today's: no row and no event is
// lost, and nothing in them means something else.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/sqlite_store.hpp"
#include "fakes/run_task.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBegin = 1'700'000'000'000;
constexpr auto kStates =
    std::to_array({Status::creating, Status::starting, Status::ready, Status::running,
                   Status::shutting_down, Status::stopped, Status::failed, Status::expired});
constexpr auto kReasons =
    std::to_array({StopReason::user_requested, StopReason::expired, StopReason::error,
                   StopReason::graceful_shutdown, StopReason::admin, StopReason::lost});

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The released migrations in order.
std::vector<std::string> migrations() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(MATRX_SQLITE_MIGRATIONS_FOLDER)) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> texts;
  for (const auto& path : paths) texts.push_back(read_text(path));
  return texts;
}

// As an orchestrator of the first version wrote it, with everything that a row could hold.
Sandbox old_row(int number, Status status, std::optional<StopReason> reason, bool is_full) {
  std::string id = std::to_string(number);
  id.insert(0, 12 - id.size(), '0');
  Sandbox row;
  row.id = *SandboxId::parse("sbx-" + id);
  row.user_id = is_full ? "user.name_with-all" : "u";
  row.status = status;
  row.image = "matrx-sandbox:latest";
  row.template_id = "default";
  row.resources = {.cpu = 1.5, .memory_bytes = 4LL << 30, .pids = 1024};
  row.ttl_seconds = 7200;
  row.hot_path = "/home/agent";
  row.cold_path = "/data/cold";
  row.created_at = from_unix_ms(kBegin + 1000LL * number);
  row.updated_at = from_unix_ms(kBegin + 1000LL * number + 7);
  row.expires_at = from_unix_ms(kBegin + 7'200'000);
  row.stop_reason = reason;
  if (is_final(status)) row.stopped_at = from_unix_ms(kBegin + 900'000);
  row.installation = "inst-1";
  row.version = 1 + number;
  if (is_full) {
    row.container_id = "0123456789abcdef";
    row.name = "näme 'quoted\" %";
    row.labels = {{"team", "a b"}, {"leer", ""}};
    row.config_json = R"({"deep":{"list":[1,2.5,null,"ü"]}})";
    row.last_heartbeat_at = from_unix_ms(kBegin + 5000);
    row.stop_graceful = reason.has_value();
    if (reason) row.stop_deadline_at = from_unix_ms(kBegin + 30'000);
    row.status_detail = "a sentence; with 'quotes'";
  }
  return row;
}

std::vector<Sandbox> old_rows() {
  std::vector<Sandbox> rows;
  int number = 0;
  for (const Status status : kStates) {
    for (const bool is_full : {false, true}) {
      const bool has_ended = is_final(status) || status == Status::shutting_down;
      if (!has_ended) {
        rows.push_back(old_row(number++, status, std::nullopt, is_full));
        continue;
      }
      for (const StopReason reason : kReasons) {
        rows.push_back(old_row(number++, status, reason, is_full));
      }
    }
  }
  return rows;
}

class SqliteUpgrade : public testing::Test {
 protected:
  SqliteUpgrade() {
    std::string name = (fs::temp_directory_path() / "matrx-upgrade-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~SqliteUpgrade() override { fs::remove_all(folder_); }

  std::string file() const { return (folder_ / "registry.db").string(); }

  // A registry at that version of the schema, written with the words of the first one.
  void write_old(const std::vector<std::string>& schema, const std::vector<Sandbox>& rows) {
    auto database = sqlite::Database::open(file()).value();
    for (const auto& text : schema) ASSERT_TRUE(database.execute(text));
    ASSERT_TRUE(database.execute("PRAGMA user_version = " + std::to_string(schema.size())));
    ASSERT_TRUE(database.execute("BEGIN"));
    for (const Sandbox& row : rows) {
      write_row(database, row);
      write_events(database, row);
    }
    ASSERT_TRUE(database.execute("COMMIT"));
  }

  std::map<std::string, Sandbox> read_all(Store& store) {
    std::map<std::string, Sandbox> found;
    ListQuery query{.limit = 7};
    do {
      auto page = run_task(io_, store.list(query)).value();
      for (auto& row : page.sandboxes) found.emplace(row.id.text(), std::move(row));
      query.cursor = page.next_cursor;
    } while (!query.cursor.empty());
    return found;
  }

  void expect_all(Store& store, const std::vector<Sandbox>& rows) {
    const auto found = read_all(store);
    EXPECT_EQ(found.size(), rows.size());
    for (const Sandbox& row : rows) {
      const auto it = found.find(row.id.text());
      ASSERT_NE(it, found.end()) << row.id.text() << " is lost";
      EXPECT_EQ(it->second, row) << row.id.text();
      const auto events = run_task(io_, store.events(row.id)).value();
      ASSERT_EQ(events.size(), 2U) << row.id.text();
      EXPECT_EQ(events[0].type, "created");
      EXPECT_EQ(events[1].status, status_name(row.status));
      EXPECT_EQ(events[1].detail, "what 'happened'");
    }
  }

  asio::io_context io_{1};
  SystemClock clock_;
  fs::path folder_;

 private:
  static void write_row(sqlite::Database& database, const Sandbox& row) {
    const auto ms = [](const std::optional<TimePoint>& at) -> std::optional<std::int64_t> {
      return at ? std::optional(to_unix_ms(*at)) : std::nullopt;
    };
    auto insert = database
                      .prepare(
                          "INSERT INTO sandbox_instances (sandbox_id, user_id, status, "
                          "container_id, image, template_id, name, labels, config, cpu, "
                          "memory_bytes, pids, ttl_seconds, hot_path, cold_path, created_at, "
                          "updated_at, expires_at, stopped_at, stop_reason, stop_graceful, "
                          "stop_deadline_at, status_detail, installation, version, "
                          "last_heartbeat_at) VALUES "
                          "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
                      .value();
    insert.bind(row.id.text())
        .bind(row.user_id)
        .bind(status_name(row.status))
        .bind(row.container_id)
        .bind(row.image)
        .bind(row.template_id)
        .bind(row.name)
        .bind(row.labels.empty() ? "{}" : R"({"team":"a b","leer":""})")
        .bind(row.config_json)
        .bind(row.resources.cpu)
        .bind(row.resources.memory_bytes)
        .bind(row.resources.pids)
        .bind(std::int64_t{row.ttl_seconds})
        .bind(row.hot_path)
        .bind(row.cold_path)
        .bind(to_unix_ms(row.created_at))
        .bind(to_unix_ms(row.updated_at))
        .bind(to_unix_ms(row.expires_at))
        .bind(ms(row.stopped_at));
    if (row.stop_reason) {
      insert.bind(stop_reason_name(*row.stop_reason));
    } else {
      insert.bind_null();
    }
    insert.bind(std::int64_t{row.stop_graceful})
        .bind(ms(row.stop_deadline_at))
        .bind(row.status_detail)
        .bind(row.installation)
        .bind(row.version)
        .bind(ms(row.last_heartbeat_at));
    ASSERT_TRUE(insert.run());
  }

  static void write_events(sqlite::Database& database, const Sandbox& row) {
    auto insert = database
                      .prepare(
                          "INSERT INTO sandbox_events (sandbox_id, at, type, status, actor, "
                          "detail) VALUES (?,?,?,?,?,?)")
                      .value();
    for (const std::string_view type : {"created", "changed"}) {
      insert.bind(row.id.text())
          .bind(to_unix_ms(row.created_at))
          .bind(type)
          .bind(type == "created" ? "creating" : status_name(row.status))
          .bind("api:req-1")
          .bind("what 'happened'");
      ASSERT_TRUE(insert.run());
    }
  }
};

TEST_F(SqliteUpgrade, FromTheFirstSchemaNoRowIsLost) {
  const auto rows = old_rows();
  write_old({read_text(MATRX_FIRST_SCHEMA)}, rows);
  SqliteStore store(file(), clock_);
  ASSERT_TRUE(run_task(io_, store.open()));
  expect_all(store, rows);
}

TEST_F(SqliteUpgrade, FromEveryVersionInBetween) {
  const auto all = migrations();
  const auto rows = old_rows();
  ASSERT_GE(all.size(), 5U);
  EXPECT_EQ(all[0], read_text(MATRX_FIRST_SCHEMA));  // a released migration never changes
  for (std::size_t version = 1; version <= all.size(); ++version) {
    SCOPED_TRACE("from version " + std::to_string(version));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_old({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(version)}, rows);
    SqliteStore store(file(), clock_);
    ASSERT_TRUE(run_task(io_, store.open()));
    expect_all(store, rows);
  }
}

TEST_F(SqliteUpgrade, OldRowsGoOnLivingAfterwards) {
  const auto rows = old_rows();
  write_old({read_text(MATRX_FIRST_SCHEMA)}, rows);
  {
    SqliteStore store(file(), clock_);
    ASSERT_TRUE(run_task(io_, store.open()));
    const auto active = run_task(io_, store.list_active("inst-1")).value();
    EXPECT_EQ(active.size(), static_cast<std::size_t>(std::ranges::count_if(
                                 rows, [](const Sandbox& row) { return !is_final(row.status); })));
    for (Sandbox row : active) {
      row.status = Status::stopped;
      row.stop_reason = StopReason::user_requested;
      row.stopped_at = clock_.now();
      row.storage_state = StorageState::saved;
      ASSERT_TRUE(run_task(io_, store.update(row, clock_.now(), {.type = "stopped"})));
    }
    // The new table of the feed knows where history begins.
    EXPECT_TRUE(run_task(io_, store.feed("", 10)));
  }
  SqliteStore again(file(), clock_);  // a second start finds nothing left to do
  ASSERT_TRUE(run_task(io_, again.open()));
  EXPECT_EQ(read_all(again).size(), rows.size());
  EXPECT_TRUE(run_task(io_, again.list_active("inst-1")).value().empty());
}

TEST_F(SqliteUpgrade, TheRegistryIsForItsOwnerOnly) {
  const auto mode = [this](const char* suffix) {
    return fs::status(file() + suffix).permissions() & fs::perms::all;
  };
  constexpr fs::perms kOwner = fs::perms::owner_read | fs::perms::owner_write;
  const ::mode_t before = ::umask(0022);
  {
    SqliteStore store(file(), clock_);
    ASSERT_TRUE(run_task(io_, store.open()));
    for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode(suffix), kOwner) << suffix;
  }
  // One of an earlier release is closed to strangers, not to its group.
  fs::permissions(file(), fs::perms::group_read | fs::perms::others_read, fs::perm_options::add);
  (void)sqlite::Database::open(file()).value();
  EXPECT_EQ(mode(""), kOwner | fs::perms::group_read);
  ::umask(before);
}

TEST_F(SqliteUpgrade, AnUpgradeThatFailsLeavesTheOldRegistry) {
  const auto rows = old_rows();
  write_old({read_text(MATRX_FIRST_SCHEMA)}, rows);
  {
    // Something of the name that a later migration makes.
    auto database = sqlite::Database::open(file()).value();
    ASSERT_TRUE(database.execute("CREATE TABLE leases (other TEXT)"));
  }
  {
    SqliteStore store(file(), clock_);
    EXPECT_FALSE(run_task(io_, store.open()));
  }
  {
    auto database = sqlite::Database::open(file()).value();
    auto version = database.prepare("PRAGMA user_version").value();
    ASSERT_TRUE(version.step().value());
    EXPECT_EQ(version.integer(0), 1);
    ASSERT_TRUE(version.run());
    ASSERT_TRUE(database.execute("DROP TABLE leases"));
  }
  SqliteStore store(file(), clock_);
  ASSERT_TRUE(run_task(io_, store.open()));
  expect_all(store, rows);
}

}  // namespace
}  // namespace matrx
