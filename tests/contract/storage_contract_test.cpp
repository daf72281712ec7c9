// What ports/storage.hpp promises, held against every storage.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "adapters/localdisk/local_disk_storage.hpp"
#include "adapters/rclone/rclone_storage.hpp"
#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "fakes/run_task.hpp"
#include "fakes/small_disk.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kAnySize = INT64_MAX;

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Storage>(const fs::path& root)> make;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class StorageContract : public testing::TestWithParam<Kind> {
 protected:
  StorageContract() {
    std::string name = (fs::temp_directory_path() / "matrx-storage-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    fs::create_directories(home());
  }
  ~StorageContract() override { fs::remove_all(root_); }
  void SetUp() override {
    storage_ = GetParam().make(root_);
    ASSERT_TRUE(run_task(io_, storage_->open()));
    ASSERT_TRUE(run_task(io_, storage_->ping()));
    for (const StoragePlace& place : {kHot, kCold, kOther}) {
      ASSERT_TRUE(run_task(io_, storage_->remove_all(place)));
    }
  }
  void TearDown() override { storage_.reset(); }

  fs::path home() const { return root_ / "home"; }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((home() / path).parent_path());
    std::ofstream(home() / path, std::ios::binary) << text;
  }
  static std::string read_file(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  Storage::Tags store(std::vector<std::string> paths) {
    return run_task(io_, storage_->store(kHot, home().string(), std::move(paths), kAnySize))
        .value()
        .tags;
  }
  HomeTree list(StoragePlace place = kHot) {
    return run_task(io_, storage_->list(std::move(place))).value();
  }

  static inline const StoragePlace kHot{"user-1", Tier::hot};
  static inline const StoragePlace kCold{"user-1", Tier::cold};
  static inline const StoragePlace kOther{"user-2", Tier::hot};

  fs::path root_;
  asio::io_context io_{1};
  std::unique_ptr<Storage> storage_;
};

std::unique_ptr<Storage> make_local(const fs::path& root) {
  return std::make_unique<LocalDiskStorage>((root / "storage").string());
}

SystemClock kClock;

// A daemon of its own for each, as a start of the orchestrator has.
class OwnRclone : public RcloneStorage {
 public:
  OwnRclone(std::unique_ptr<rclone::Daemon> daemon, const std::string& bucket,
            const std::string& endpoint, const std::string& staging)
      : RcloneStorage(*daemon, bucket, endpoint, staging), daemon_(std::move(daemon)) {}

 private:
  std::unique_ptr<rclone::Daemon> daemon_;
};

// tools/with-s3.sh starts the server.
std::unique_ptr<Storage> make_s3(const fs::path& root) {
  const char* endpoint = std::getenv("MATRX_TEST_S3_ENDPOINT");
  const char* bucket = std::getenv("MATRX_TEST_S3_BUCKET");
  if (endpoint == nullptr || bucket == nullptr) {
    throw std::runtime_error("run this by tools/with-s3.sh");
  }
  auto daemon = std::make_unique<rclone::Daemon>(
      rclone::DaemonSettings{
          .folder = (root / "rclone").string(), .region = "us-east-1", .endpoint = endpoint},
      kClock);
  return std::make_unique<OwnRclone>(std::move(daemon), bucket, endpoint,
                                     (root / "staging").string());
}

INSTANTIATE_TEST_SUITE_P(Storages, StorageContract,
                         testing::Values(Kind{"LocalDisk", make_local}, Kind{"S3", make_s3}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(StorageContract, GivesBackWhatItWasGiven) {
  const std::string large(3'000'000, 'x');
  write("a/b", "text");
  write("line\nbreak \xFF", large);
  write("empty", "");
  const auto tags = store({"a/b", "line\nbreak \xFF", "empty"});
  EXPECT_EQ(tags.size(), 3U);
  const HomeTree listed = list();
  ASSERT_EQ(listed.size(), 3U);
  for (const auto& [path, tag] : tags) EXPECT_EQ(listed.at(path).tag, tag);
  EXPECT_EQ(listed.at("a/b").size_bytes, 4);
  const fs::path other = root_ / "other";
  ASSERT_TRUE(run_task(
      io_, storage_->fetch(kHot, {"a/b", "line\nbreak \xFF", "empty"}, other.string(), {})));
  EXPECT_EQ(read_file(other / "a/b"), "text");
  EXPECT_EQ(read_file(other / "line\nbreak \xFF"), large);
  EXPECT_EQ(fs::file_size(other / "empty"), 0U);
}

TEST_P(StorageContract, ATagChangesWithTheContent) {
  write("a", "one");
  const auto first = store({"a"});
  write("a", "two");  // as long as before
  const auto second = store({"a"});
  EXPECT_NE(first.at("a"), second.at("a"));
  EXPECT_EQ(list().at("a").tag, second.at("a"));
}

TEST_P(StorageContract, PlacesAreApart) {
  write("a", "x");
  store({"a"});
  EXPECT_TRUE(list(kCold).empty());
  EXPECT_TRUE(list(kOther).empty());
  EXPECT_EQ(run_task(io_, storage_->usage(kHot)).value(), (StorageUsage{1, 1}));
  EXPECT_EQ(run_task(io_, storage_->usage(kOther)).value(), StorageUsage{});
  EXPECT_EQ(run_task(io_, storage_->remove_all(kOther)).value(), 0);
  EXPECT_EQ(list().size(), 1U);
}

TEST_P(StorageContract, NoPathLeadsOut) {
  write("a", "x");
  for (const std::string path : {"../a", "/etc/passwd", "a/../../b", "", "a//b", "."}) {
    EXPECT_EQ(run_task(io_, storage_->read(kHot, path, 0, 10)).error().code, Code::invalid);
    EXPECT_EQ(run_task(io_, storage_->remove(kHot, {path})).error().code, Code::invalid);
    EXPECT_EQ(run_task(io_, storage_->copy(kHot, "a", path)).error().code, Code::invalid);
    EXPECT_EQ(run_task(io_, storage_->store(kHot, home().string(), {path}, kAnySize)).error().code,
              Code::invalid);
  }
  for (const std::string user : {"..", "a/b", "", "."}) {
    EXPECT_EQ(run_task(io_, storage_->list({user, Tier::hot})).error().code, Code::invalid);
    EXPECT_EQ(run_task(io_, storage_->read_manifest(user, kManifestBytesMax)).error().code,
              Code::invalid);
  }
}

TEST_P(StorageContract, WhatIsNoFileAnyMoreIsLeftOut) {
  std::ofstream(root_ / "secret") << "s";
  fs::create_directories(home() / "folder");
  fs::create_symlink("../secret", home() / "link");
  fs::create_directory_symlink("..", home() / "way");
  ::mkfifo((home() / "fifo").c_str(), 0600);
  write("file", "x");
  const auto tags = store({"folder", "link", "way/secret", "fifo", "gone", "file"});
  EXPECT_EQ(tags.size(), 1U);
  EXPECT_EQ(list().size(), 1U);
  EXPECT_TRUE(list().contains("file"));
}

TEST_P(StorageContract, WhatItCannotHoldIsLeftOutAndNothingElse) {
  std::vector<std::string> paths = {
      "plain",       "a b",       "ümlaut",  std::string(200, 'x'), "sub/.hidden", "trailing ",
      "back\\slash", "new\nline", "\xff\xfe"};
  for (const auto& path : paths) write(path, "content");
  const auto tags = store(paths);
  for (const auto& path : paths) {
    EXPECT_EQ(tags.contains(path), storage_->can_hold(kHot, path)) << path;
  }
}

TEST_P(StorageContract, CopiesAndRemoves) {
  write("d/a", "x");
  write("d/b", "y");
  store({"d/a", "d/b"});
  ASSERT_TRUE(run_task(io_, storage_->copy(kHot, "d/a", "d/a.conflict-sbx-1")));
  EXPECT_EQ(run_task(io_, storage_->read(kHot, "d/a.conflict-sbx-1", 0, 10)).value(), "x");
  EXPECT_EQ(run_task(io_, storage_->copy(kHot, "none", "x")).error().code, Code::not_found);
  ASSERT_TRUE(run_task(io_, storage_->remove(kHot, {"d/a", "d/b", "d/a.conflict-sbx-1", "none"})));
  EXPECT_TRUE(list().empty());
  // What was a folder may be a file now, and the other way round.
  write("d2", "z");
  fs::remove_all(home() / "d");
  write("d", "now a file");
  store({"d"});
  EXPECT_EQ(list().at("d").size_bytes, 10);
}

TEST_P(StorageContract, ReadsPieces) {
  write("a", "0123456789");
  store({"a"});
  const auto read = [&](std::int64_t offset, std::size_t bytes) {
    return run_task(io_, storage_->read(kHot, "a", offset, bytes)).value();
  };
  EXPECT_EQ(read(0, 4), "0123");
  EXPECT_EQ(read(8, 4), "89");
  EXPECT_EQ(read(10, 4), "");
  EXPECT_EQ(run_task(io_, storage_->read(kHot, "b", 0, 1)).error().code, Code::not_found);
}

TEST_P(StorageContract, KeepsOddNames) {
  const std::vector<std::string> odd = {"line\nbreak",  "tab\t",
                                        "blank ",       " blank",
                                        "dots...",      "q\xE2\x80\x9Bq",
                                        "\xE2\x80\x9B", "back\\slash",
                                        "=mx=mine",     "e\xCC\x81",
                                        "\xC3\xA9",     "folder\n/in it",
                                        "a%20b",        "star*?[x]{y}",
                                        "\xFF",         "100%",
                                        "#hash",        "+plus",
                                        "quote'\"",     "-dash",
                                        "~tilde",       "picture\xE2\x90\x8A"};
  for (const auto& path : odd) write(path, "content of " + path);
  ASSERT_EQ(store(odd).size(), odd.size());
  ASSERT_EQ(list().size(), odd.size());
  const fs::path other = root_ / "other";
  ASSERT_TRUE(run_task(io_, storage_->fetch(kHot, odd, other.string(), {})));
  for (const auto& path : odd) {
    EXPECT_EQ(read_file(other / path), "content of " + path);
    EXPECT_EQ(run_task(io_, storage_->read(kHot, path, 0, 100)).value(), "content of " + path);
  }
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(other)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, odd.size()) << "something else came along";
  ASSERT_TRUE(run_task(io_, storage_->remove(kHot, odd)));
  EXPECT_TRUE(list().empty());
}

TEST_P(StorageContract, ManyAtOnce) {
  std::vector<std::string> paths;
  for (int i = 0; i < 300; ++i) {
    paths.push_back("d" + std::to_string(i % 7) + "/f" + std::to_string(i));
    write(paths.back(), std::to_string(i));
  }
  ASSERT_EQ(store(paths).size(), paths.size());
  EXPECT_EQ(run_task(io_, storage_->usage(kHot)).value().total_objects, 300);
  const fs::path other = root_ / "other";
  ASSERT_TRUE(run_task(io_, storage_->fetch(kHot, paths, other.string(), {})));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(read_file(other / paths[static_cast<std::size_t>(i)]), std::to_string(i));
  }
  EXPECT_EQ(run_task(io_, storage_->remove_all(kHot)).value(), 300);
  EXPECT_TRUE(list().empty());
}

TEST_P(StorageContract, ListsOneFolderInPages) {
  const auto names = [&](const FolderQuery& query) {
    const FolderPage page = run_task(io_, storage_->list_folder(kHot, query)).value();
    std::string line;
    for (const auto& [path, node] : page.entries) {
      line += path + (node.kind == NodeKind::folder ? "/ " : " ");
    }
    return line + (page.truncated ? "…" : "");
  };
  EXPECT_EQ(names({.folder = "", .entries_max = 10}), "");
  for (const std::string path :
       {"d/b", "d/a", "d/deep/er/file", "d/deep.txt", "d/odd\nname", "e", "dd/no neighbour"}) {
    write(path, path);
  }
  store({"d/b", "d/a", "d/deep/er/file", "d/deep.txt", "d/odd\nname", "e", "dd/no neighbour"});
  EXPECT_EQ(names({.folder = "", .entries_max = 10}), "d/ dd/ e ");
  EXPECT_EQ(names({.folder = "d", .entries_max = 10}), "d/a d/b d/deep/ d/deep.txt d/odd\nname ");
  EXPECT_EQ(names({.folder = "d", .entries_max = 2}), "d/a d/b …");
  EXPECT_EQ(names({.folder = "d", .after = "b", .entries_max = 2}), "d/deep/ d/deep.txt …");
  EXPECT_EQ(names({.folder = "d", .after = "deep.txt", .entries_max = 2}), "d/odd\nname ");
  EXPECT_EQ(names({.folder = "d", .after = "x", .entries_max = 2}), "");
  EXPECT_EQ(names({.folder = "d/deep", .entries_max = 1}), "d/deep/er/ ");
  const FolderQuery folder{.folder = "d", .entries_max = 10};
  const FolderPage page = run_task(io_, storage_->list_folder(kHot, folder)).value();
  EXPECT_EQ(page.entries.at("d/a"), list().at("d/a"));
  for (const std::string missing : {"none", "d/a", "d/none", "d/deep/none"}) {
    const FolderQuery query{.folder = missing, .entries_max = 10};
    EXPECT_EQ(run_task(io_, storage_->list_folder(kHot, query)).error().code, Code::not_found)
        << missing;
  }
  for (const std::string path : {"..", "../cold", "a/../..", "/", "a//b"}) {
    const FolderQuery query{.folder = path, .entries_max = 10};
    EXPECT_EQ(run_task(io_, storage_->list_folder(kHot, query)).error().code, Code::invalid);
  }
}

TEST_P(StorageContract, TellsOfOneObject) {
  write("d/a", "text");
  write("odd \n", "x");
  store({"d/a", "odd \n"});
  for (const std::string path : {"d/a", "odd \n"}) {
    const HomeNode found = run_task(io_, storage_->stat(kHot, path)).value();
    EXPECT_EQ(found.kind, NodeKind::file);
    EXPECT_EQ(found.size_bytes, list().at(path).size_bytes) << path;
    EXPECT_EQ(found.tag, list().at(path).tag) << path;
  }
  for (const std::string missing : {"d", "none", "d/a/b", "d/none"}) {
    EXPECT_EQ(run_task(io_, storage_->stat(kHot, missing)).error().code, Code::not_found);
  }
  EXPECT_EQ(run_task(io_, storage_->stat(kCold, "d/a")).error().code, Code::not_found);
  EXPECT_EQ(run_task(io_, storage_->stat(kHot, "../cold")).error().code, Code::invalid);
}

TEST_P(StorageContract, WhatIsWholeIsNotDropped) {
  write("d/a", "x");
  write("line\nbreak", "y");
  store({"d/a", "line\nbreak"});
  ASSERT_TRUE(run_task(io_, storage_->drop_unfinished(kHot, {"d/a", "line\nbreak", "gone"})));
  ASSERT_TRUE(run_task(io_, storage_->drop_unfinished(kOther, {"a"})));  // there never was any
  ASSERT_TRUE(run_task(io_, storage_->drop_stale()));
  EXPECT_EQ(list().size(), 2U);
  EXPECT_EQ(run_task(io_, storage_->read(kHot, "d/a", 0, 10)).value(), "x");
}

// What a killed process leaves on a disk.
TEST(LocalDiskStorage, DropsPartsThatNobodyFinishes) {
  std::string name = (fs::temp_directory_path() / "matrx-storage-XXXXXX").string();
  const fs::path root = ::mkdtemp(name.data());
  const fs::path hot = root / "users/user-1/hot";
  fs::create_directories(hot / "d/e");
  for (const char* file : {"d/e/.matrx-part-1", "d/.matrx-part-2", "d/mine"}) {
    std::ofstream(hot / file) << "x";
  }
  asio::io_context io{1};
  LocalDiskStorage storage(root.string());
  ASSERT_TRUE(run_task(io, storage.drop_unfinished({"user-1", Tier::hot}, {"d/e/f", "d/mine"})));
  EXPECT_FALSE(fs::exists(hot / "d/e/.matrx-part-1"));
  EXPECT_FALSE(fs::exists(hot / "d/.matrx-part-2"));
  EXPECT_TRUE(fs::exists(hot / "d/mine"));
  fs::remove_all(root);
}

// A lease on a file is as good as a lock against us, for as long as its owner likes.
TEST_P(StorageContract, WaitsForNobodysLease) {
  write("leased", "mine");
  write("free", "x");
  const Descriptor owner(::open((home() / "leased").c_str(), O_RDWR | O_CLOEXEC));
  ::signal(SIGIO, SIG_IGN);
  ASSERT_EQ(::fcntl(owner.get(), F_SETLEASE, F_WRLCK), 0);
  const auto stored =
      run_task(io_, storage_->store(kHot, home().string(), {"leased", "free"}, kAnySize)).value();
  EXPECT_EQ(stored.held, 1U);
  EXPECT_EQ(stored.tags.size(), 1U);
  EXPECT_TRUE(list().contains("free"));
  ASSERT_EQ(::fcntl(owner.get(), F_SETLEASE, F_UNLCK), 0);
  EXPECT_EQ(store({"leased"}).size(), 1U);
}

// Its owner may make it larger between our two looks at it.
TEST_P(StorageContract, WhatHasBecomeTooLargeIsLeftOut) {
  write("grown", "12345");
  write("small", "1234");
  const auto stored =
      run_task(io_, storage_->store(kHot, home().string(), {"grown", "small"}, 4)).value();
  EXPECT_EQ(stored.held, 1U);
  EXPECT_TRUE(stored.tags.contains("small"));
  EXPECT_FALSE(list().contains("grown"));
}

TEST_P(StorageContract, HolesCostWhatItSays) {
  constexpr off_t kSize = 8 * 1024 * 1024;
  write("disk.img", "begin");
  ASSERT_EQ(::truncate((home() / "disk.img").c_str(), kSize), 0);
  store({"disk.img"});
  EXPECT_EQ(list().at("disk.img").size_bytes, kSize);
  const fs::path other = root_ / "other";
  ASSERT_TRUE(run_task(io_, storage_->fetch(kHot, {"disk.img"}, other.string(), {})));
  EXPECT_EQ(read_file(other / "disk.img"), read_file(home() / "disk.img"));
  struct stat info{};
  ASSERT_EQ(::stat((other / "disk.img").c_str(), &info), 0);
  if (storage_->keeps_holes()) EXPECT_GT(holes_of(info), kSize / 2);
}

TEST_P(StorageContract, WhatIsInTheWayDoesNotCome) {
  const std::string odd_but_plain = "[a]*{b}";
  const std::vector<std::string> above = {"a", odd_but_plain, "ab"};
  for (const auto& path : above) write(path, "file " + path);
  store(above);
  fs::remove_all(home());
  const std::vector<std::string> below = {"a/b", odd_but_plain + "/c"};
  // A disk of ours cannot hold both; a bucket can.
  if (storage_->keeps_holes()) return;
  for (const auto& path : below) write(path, "below");
  store(below);
  EXPECT_EQ(list().size(), 5U);
  const fs::path other = root_ / "other";
  std::vector<std::string> wanted = below;
  wanted.emplace_back("ab");
  ASSERT_TRUE(run_task(io_, storage_->fetch(kHot, wanted, other.string(), {"a", odd_but_plain})));
  for (const auto& path : below) EXPECT_EQ(read_file(other / path), "below");
  EXPECT_EQ(read_file(other / "ab"), "file ab");
}

TEST_P(StorageContract, AManifestThatNobodyCouldReadIsNotWritten) {
  const HomeTree good{{"a", {.mode = 0600}}};
  ASSERT_TRUE(run_task(io_, storage_->write_manifest("user-1", good)));
  const HomeTree bad{{"../a", {}}};
  EXPECT_EQ(run_task(io_, storage_->write_manifest("user-1", bad)).error().code, Code::invalid);
  EXPECT_EQ(run_task(io_, storage_->read_manifest("user-1", kManifestBytesMax)).value(), good);
  EXPECT_EQ(run_task(io_, storage_->read_manifest("user-1", 10)).error().code, Code::too_large);
}

// A home that has filled the disk is saved all the same, and goes then.
TEST_P(StorageContract, WhatIsAtRestNeedsNoRoomForCopies) {
  const SmallDisk disk("size=16m");
  if (!disk.is_there()) GTEST_SKIP() << "no right to mount";
  storage_ = GetParam().make(disk.path("storage"));
  ASSERT_TRUE(run_task(io_, storage_->open()));
  const std::string large(9'000'000, 'x');
  const fs::path from = disk.path("home");
  fs::create_directories(from / "d");
  std::ofstream(from / "small", std::ios::binary) << "text";
  std::ofstream(from / "d/large", std::ios::binary) << large;
  ASSERT_EQ(::symlink("/etc/passwd", (from / "link").c_str()), 0);
  const auto changing = run_task(io_, storage_->store(kHot, from.string(), {"d/large"}, kAnySize));
  ASSERT_FALSE(changing);
  EXPECT_EQ(changing.error().code, Code::exhausted) << changing.error().internal;
  const auto stored = run_task(
      io_, storage_->store_at_rest(kHot, from.string(), {"small", "d/large", "link"}, kAnySize));
  ASSERT_TRUE(stored) << stored.error().internal;
  EXPECT_EQ(stored->tags.size(), 2U);
  fs::remove_all(from);
  const HomeTree listed = list();
  ASSERT_EQ(listed.size(), 2U);
  for (const auto& [path, tag] : stored->tags) EXPECT_EQ(listed.at(path).tag, tag) << path;
  EXPECT_EQ(run_task(io_, storage_->read(kHot, "d/large", 0, large.size() + 1)).value(), large);
  EXPECT_EQ(run_task(io_, storage_->read(kHot, "small", 0, 10)).value(), "text");
  storage_.reset();
}

// Two versions of the same length at a time that a user has chosen are two versions.
TEST(LocalDiskStorage, ATimeThatSomebodyChoseTellsNothing) {
  const SmallDisk disk("size=8m");
  if (!disk.is_there()) GTEST_SKIP() << "no right to mount";
  asio::io_context io{1};
  LocalDiskStorage storage(disk.path("storage"));
  ASSERT_TRUE(run_task(io, storage.open()));
  std::set<std::string> tags;
  for (const char letter : {'a', 'b'}) {
    const fs::path from = disk.path(std::string("home-") + letter);
    fs::create_directories(from);
    std::ofstream(from / "file", std::ios::binary) << std::string(3'000'000, letter);
    const std::array<timespec, 2> chosen{timespec{1, 0}, timespec{1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (from / "file").c_str(), chosen.data(), 0), 0);
    const auto stored = run_task(
        io, storage.store_at_rest({"user-1", Tier::hot}, from.string(), {"file"}, kAnySize));
    tags.insert(stored.value().tags.at("file"));
    fs::remove_all(from);
  }
  EXPECT_EQ(tags.size(), 2U);
}

TEST_P(StorageContract, KeepsAManifestBesideTheObjects) {
  EXPECT_FALSE(
      run_task(io_, storage_->read_manifest("user-1", kManifestBytesMax)).value().has_value());
  const HomeTree one{{"a", {.mode = 0600}}};
  const HomeTree two{{"b", {.kind = NodeKind::link, .target = "a"}}, {"c", {.mode = 0755}}};
  ASSERT_TRUE(run_task(io_, storage_->write_manifest("user-1", one)));
  ASSERT_TRUE(run_task(io_, storage_->write_manifest("user-1", two)));
  EXPECT_EQ(run_task(io_, storage_->read_manifest("user-1", kManifestBytesMax)).value(), two);
  EXPECT_TRUE(list().empty());
  write("a", "x");
  store({"a"});
  EXPECT_EQ(run_task(io_, storage_->remove_all(kHot)).value(), 1);
  EXPECT_FALSE(
      run_task(io_, storage_->read_manifest("user-1", kManifestBytesMax)).value().has_value());
  EXPECT_TRUE(list().empty());
}

}  // namespace
}  // namespace matrx
