// filesystem.Filesystem over Connect, on real folders of this host.

#include "agent/filesystem_service.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <thread>

#include "agent/command_test.hpp"
#include "agent/file_operations.hpp"
#include "agent/upload.hpp"
#include "base/text.hpp"
#include "fakes/patience.hpp"
#include "wire/connect_envelope.hpp"

namespace matrx::agent {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kOther = 65'534;

class FilesystemTest : public CommandTest {
 protected:
  FilesystemTest() {
    std::ofstream(home_ / "passwd", std::ios::app) << "other:x:65534:65534::/:/bin/sh\n";
    fs::permissions(home_, fs::perms(0755));
    work_ = std::make_unique<UserWork>();
    service_ =
        std::make_unique<FilesystemService>(context_.get_executor(), *work_, *users_, settings_);
  }
  ~FilesystemTest() override { context_.kill(); }

  http::Response call(std::string_view method, const json::object& message, std::string user = "") {
    std::optional<http::Response> response;
    auto test = [&]() -> Task<void> {
      TextBody body(json::serialize(message));
      http::Request request{.method = http::Method::post};
      if (!user.empty()) {
        request.headers.add("Authorization", "Basic " + base64_encode(user + ":"));
      }
      request.body_reader = &body;
      response.emplace(co_await service_->handle(method, request));
    };
    run(test());
    return *std::move(response);
  }
  json::object good(std::string_view method, const json::object& message, std::string user = "") {
    const auto response = call(method, message, std::move(user));
    EXPECT_EQ(response.status, 200) << method << " " << response.body;
    return json::parse(response.body).value().as_object();
  }
  // "404 not_found"
  std::string bad(std::string_view method, const json::object& message, std::string user = "") {
    const auto response = call(method, message, std::move(user));
    const auto body = json::parse(response.body).value().as_object();
    return std::to_string(response.status) + " " + std::string(json::text_at(body, "code"));
  }
  Strings names(const json::object& message) {
    Strings found;
    const auto answer = good("ListDir", message);
    for (const auto& entry : answer.at("entries").as_array()) {
      found.emplace_back(entry.at("path").as_string().c_str() + home_.string().size() + 1);
    }
    return found;
  }
  void write(const std::string& name, std::string_view text = "text") {
    std::ofstream(home_ / name) << text;
  }
  std::string path(const std::string& name) const { return (home_ / name).string(); }

  std::unique_ptr<UserWork> work_;
  std::unique_ptr<FilesystemService> service_;
};

TEST_F(FilesystemTest, TellsWhatIsThere) {
  write("a file", "12345");
  ::chmod(path("a file").c_str(), 0640);
  const timespec times[2] = {{.tv_sec = 1'700'000'000, .tv_nsec = 123'456'789},
                             {.tv_sec = 1'700'000'000, .tv_nsec = 123'456'789}};
  ::utimensat(AT_FDCWD, path("a file").c_str(), times, 0);
  auto entry = good("Stat", {{"path", "a file"}}).at("entry").as_object();
  EXPECT_EQ(entry.at("name"), "a file");
  EXPECT_EQ(entry.at("path"), path("a file").c_str());
  EXPECT_EQ(entry.at("type"), "FILE_TYPE_FILE");
  EXPECT_EQ(entry.at("size"), "5");
  EXPECT_EQ(entry.at("mode"), 0640);
  EXPECT_EQ(entry.at("permissions"), "-rw-r-----");
  EXPECT_EQ(entry.at("modifiedTime"), "2023-11-14T22:13:20.123Z");
  EXPECT_FALSE(entry.contains("symlinkTarget"));

  fs::create_symlink("a file", home_ / "link");
  entry = good("Stat", {{"path", "link"}}).at("entry").as_object();
  EXPECT_EQ(entry.at("type"), "FILE_TYPE_FILE");
  EXPECT_EQ(entry.at("symlinkTarget"), path("a file").c_str());
  EXPECT_EQ(entry.at("permissions"), "Lrwxrwxrwx");
  fs::create_symlink("nowhere", home_ / "broken");
  entry = good("Stat", {{"path", "broken"}}).at("entry").as_object();
  EXPECT_EQ(entry.at("type"), "FILE_TYPE_SYMLINK");
  EXPECT_EQ(entry.at("symlinkTarget"), "nowhere");
  EXPECT_EQ(good("Stat", {{"path", "~"}}).at("entry").at("type"), "FILE_TYPE_DIRECTORY");
  EXPECT_EQ(good("Stat", {{"path", "/"}}).at("entry").at("name"), "/");
  EXPECT_EQ(good("Stat", {{"path", "x/../a file"}}).at("entry").at("path"), path("a file").c_str());
}

TEST_F(FilesystemTest, SaysWhatIsWrong) {
  write("file");
  EXPECT_EQ(bad("Stat", {{"path", "none"}}), "404 not_found");
  EXPECT_EQ(bad("Stat", {{"path", "file/none"}}), "404 not_found");
  EXPECT_EQ(bad("Stat", {}), "400 invalid_argument");
  EXPECT_EQ(bad("Stat", {{"path", std::string_view("a\0b", 3)}}), "400 invalid_argument");
  EXPECT_EQ(bad("Stat", {{"path", std::string(5000, 'x')}}), "400 invalid_argument");
  EXPECT_EQ(bad("Stat", {{"path", std::string(300, 'x')}}), "400 invalid_argument");
  EXPECT_EQ(bad("Stat", {{"path", "file"}}, "nobody-here"), "401 unauthenticated");
  EXPECT_EQ(bad("ListDir", {{"path", "none"}}), "404 not_found");
  EXPECT_EQ(bad("ListDir", {{"path", "file"}}), "400 invalid_argument");
  EXPECT_EQ(bad("MakeDir", {{"path", "file"}}), "400 invalid_argument");
  EXPECT_EQ(bad("MakeDir", {{"path", "file/below"}}), "400 invalid_argument");
  EXPECT_EQ(bad("MakeDir", {{"path", "~"}}), "409 already_exists");
  EXPECT_EQ(bad("Move", {{"source", "none"}, {"destination", "x"}}), "404 not_found");
  EXPECT_EQ(bad("Remove", {{"path", "/"}}), "400 invalid_argument");
  EXPECT_EQ(bad("Remove", {{"path", ""}}), "400 invalid_argument");
  EXPECT_EQ(bad("Dance", {{"path", "x"}}), "501 unimplemented");
  EXPECT_EQ(bad("GetWatcherEvents", {{"watcherId", "none"}}), "404 not_found");
  EXPECT_EQ(bad("RemoveWatcher", {{"watcherId", "none"}}), "404 not_found");
  EXPECT_EQ(bad("CreateWatcher", {{"path", "none"}}), "404 not_found");
  EXPECT_EQ(bad("CreateWatcher", {{"path", "file"}}), "400 invalid_argument");
}

TEST_F(FilesystemTest, MakesListsMovesRemoves) {
  EXPECT_EQ(good("MakeDir", {{"path", "a/b/c"}}).at("entry").at("path"), path("a/b/c").c_str());
  write("a/b/c/file");
  write("a/z");
  fs::create_directory_symlink("b", home_ / "a" / "link");
  EXPECT_EQ(names({{"path", "a"}}), (Strings{"a/b", "a/link", "a/z"}));
  EXPECT_EQ(names({{"path", "a"}, {"depth", 1}}).size(), 3U);
  EXPECT_EQ(names({{"path", "a"}, {"depth", 3}}),
            (Strings{"a/b", "a/b/c", "a/b/c/file", "a/link", "a/z"}));
  EXPECT_EQ(names({{"path", "a/link"}}), (Strings{"a/link/c"}));
  EXPECT_EQ(good("Move", {{"source", "a/b"}, {"destination", "new/place"}}).at("entry").at("path"),
            path("new/place").c_str());
  EXPECT_TRUE(fs::exists(home_ / "new/place/c/file"));
  good("Remove", {{"path", "new"}});
  EXPECT_FALSE(fs::exists(home_ / "new"));
  good("Remove", {{"path", "new"}});
  good("Remove", {{"path", "a/link"}});
  good("Remove", {{"path", "a/z/not/there"}});
  EXPECT_EQ(names({{"path", "a"}}), (Strings{"a/z"}));
}

TEST_F(FilesystemTest, MovesToAnotherFileSystem) {
  fs::create_directory(home_ / "other");
  if (::mount("none", path("other").c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  fs::create_directories(home_ / "folder/sub");
  write("folder/sub/file", "text");
  ::chmod(path("folder/sub/file").c_str(), 0741);
  fs::create_symlink("/nowhere", home_ / "folder/link");
  write("file");
  good("Move", {{"source", "folder"}, {"destination", "other/new/folder"}});
  good("Move", {{"source", "file"}, {"destination", "other/file"}});
  EXPECT_FALSE(fs::exists(home_ / "folder"));
  EXPECT_FALSE(fs::exists(home_ / "file"));
  EXPECT_EQ(fs::status(home_ / "other/new/folder/sub/file").permissions(), fs::perms(0741));
  EXPECT_EQ(fs::read_symlink(home_ / "other/new/folder/link"), "/nowhere");
  EXPECT_TRUE(fs::exists(home_ / "other/file"));
  good("Move", {{"source", "other/new/folder/link"}, {"destination", "link"}});
  EXPECT_EQ(fs::read_symlink(home_ / "link"), "/nowhere");
  // What does not fit stays where it was, whole.
  fs::create_directory(home_ / "large");
  write("large/file", std::string(2'000'000, 'x'));
  EXPECT_EQ(bad("Move", {{"source", "large"}, {"destination", "other/large"}}),
            "429 resource_exhausted");
  EXPECT_EQ(bad("Move", {{"source", "large/file"}, {"destination", "other/large"}}),
            "429 resource_exhausted");
  EXPECT_EQ(fs::file_size(home_ / "large/file"), 2'000'000U);
  EXPECT_FALSE(fs::exists(home_ / "other/large"));
  // A folder that holds something is not replaced.
  fs::create_directories(home_ / "other/full/x");
  EXPECT_EQ(bad("Move", {{"source", "large"}, {"destination", "other/full"}}),
            "400 failed_precondition");
  ::umount(path("other").c_str());
}

TEST_F(FilesystemTest, ARemovalGoesThroughNoLinkAndToAnyDepth) {
  fs::create_directories(home_ / "kept");
  write("kept/file");
  int folder = ::open(path("").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(::mkdirat(folder, "deep-folder", 0755), 0);
    ASSERT_EQ(::symlinkat(path("kept").c_str(), folder, "to-kept"), 0) << i;
    const int next = ::openat(folder, "deep-folder", O_RDONLY | O_DIRECTORY);
    ::close(folder);
    folder = next;
  }
  ::close(folder);
  good("Remove", {{"path", "deep-folder"}});
  EXPECT_FALSE(fs::exists(home_ / "deep-folder"));
  EXPECT_TRUE(fs::exists(home_ / "kept/file"));
}

TEST_F(FilesystemTest, TheLinksOwnRightsAreTheUsersNotOurs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as somebody else";
  fs::create_directory(home_ / "secret");
  write("secret/file");
  ::chmod(path("secret").c_str(), 0700);
  fs::create_directory(home_ / "open");
  ASSERT_EQ(::chown(path("open").c_str(), kOther, kOther), 0);
  fs::create_directory_symlink(home_ / "secret", home_ / "open" / "way-in");
  const auto refused = "403 permission_denied";
  EXPECT_EQ(bad("Stat", {{"path", path("secret/file")}}, "other"), refused);
  EXPECT_EQ(bad("ListDir", {{"path", path("open/way-in")}}, "other"), refused);
  EXPECT_EQ(bad("MakeDir", {{"path", path("open/way-in/x")}}, "other"), refused);
  EXPECT_EQ(bad("Remove", {{"path", path("secret/file")}}, "other"), refused);
  EXPECT_EQ(bad("Remove", {{"path", path("secret")}}, "other"), refused);
  EXPECT_EQ(bad("Move", {{"source", path("open/way-in/file")}, {"destination", path("open/got")}},
                "other"),
            refused);
  EXPECT_EQ(bad("CreateWatcher", {{"path", path("secret")}}, "other"), refused);
  EXPECT_EQ(bad("MakeDir", {{"path", path("mine")}}, "other"), refused);
  good("MakeDir", {{"path", path("open/mine")}}, "other");
  struct stat info{};
  ASSERT_EQ(::stat(path("open/mine").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kOther);
  EXPECT_EQ(info.st_gid, kOther);
  // And afterwards the same threads are ours again.
  for (int i = 0; i < 8; ++i) good("Stat", {{"path", path("secret/file")}});
}

// --- Watching ----------------------------------------------------------------------------------

class WatchTest : public FilesystemTest {
 protected:
  std::string watch(json::object message = {}) {
    message.emplace("path", "watched");
    return good("CreateWatcher", message).at("watcherId").as_string().c_str();
  }
  // "CREATE name" and so on, until `last` was told, or for ten seconds.
  Strings events(const std::string& id, const std::string& last) {
    Strings told;
    SystemClock clock;
    for (int i = 0; i < patience(1000); ++i) {
      const auto answer = good("GetWatcherEvents", {{"watcherId", id}});
      for (const auto& event : answer.at("events").as_array()) {
        const std::string type = event.at("type").as_string().c_str();
        told.push_back(type.substr(std::string("EVENT_TYPE_").size()) + " " +
                       event.at("name").as_string().c_str());
      }
      overflow_ = overflow_ || answer.contains("overflow");
      if (overflow_ || std::ranges::find(told, last) != told.end()) break;
      run(clock.sleep(milliseconds(10)));
    }
    return told;
  }
  void SetUp() override { fs::create_directory(home_ / "watched"); }

  bool overflow_ = false;
};

TEST_F(WatchTest, TellsWhatHappensByName) {
  const auto id = watch();
  write("watched/file", "");
  write("watched/file", "text");
  ::chmod(path("watched/file").c_str(), 0600);
  fs::rename(home_ / "watched/file", home_ / "watched/other");
  fs::remove(home_ / "watched/other");
  fs::create_directory(home_ / "watched/sub");
  write("watched/sub/unseen");
  EXPECT_EQ(events(id, "CREATE sub"),
            (Strings{"CREATE file", "WRITE file", "CHMOD file", "RENAME file", "CREATE other",
                     "REMOVE other", "CREATE sub"}));
  write("watched/end");
  EXPECT_EQ(events(id, "WRITE end"), (Strings{"CREATE end", "WRITE end"}));
  good("RemoveWatcher", {{"watcherId", id}});
  EXPECT_EQ(bad("GetWatcherEvents", {{"watcherId", id}}), "404 not_found");
}

TEST_F(WatchTest, FollowsFoldersInFolders) {
  fs::create_directories(home_ / "watched/old/deep");
  const auto id = watch({{"recursive", true}});
  write("watched/old/deep/1", "");
  fs::rename(home_ / "watched/old", home_ / "watched/new");
  write("watched/new/deep/2", "");
  EXPECT_EQ(events(id, "CREATE new/deep/2"),
            (Strings{"CREATE old/deep/1", "RENAME old", "CREATE new", "CREATE new/deep/2"}));
  fs::rename(home_ / "watched/new", home_ / "outside");
  write("watched/3", "");
  (void)events(id, "CREATE 3");
  write("outside/deep/4", "");
  fs::rename(home_ / "outside", home_ / "watched/back");
  const auto told = events(id, "CREATE back/deep/4");
  EXPECT_EQ(told.at(0), "CREATE back");  // and nothing of what was done outside
  EXPECT_EQ(std::ranges::count(told, "CREATE back/deep/1"), 1);
  EXPECT_EQ(std::ranges::count(told, "CREATE back/deep/4"), 1);
  write("watched/back/deep/5", "");
  EXPECT_EQ(events(id, "CREATE back/deep/5"), (Strings{"CREATE back/deep/5"}));
}

// Folders appear and are filled at once, faster than they can be watched.
TEST_F(WatchTest, NothingIsLostInNewFolders) {
  const auto id = watch({{"recursive", true}});
  const auto outcome = exec(
      "cd watched; for i in $(seq 100); do mkdir -p a$i/b; for j in 1 2 3 4 5 6 7 8 9; do "
      "echo > a$i/b/$j; done; done; echo > end");
  EXPECT_EQ(outcome.exit_code, 0);
  std::map<std::string, int> count;
  for (const auto& one : events(id, "CREATE end")) ++count[one];
  // What is in the last folder may come behind it.
  for (int j = 1; j <= 9; ++j) {
    const std::string last = "CREATE a100/b/" + std::to_string(j);
    if (count[last] > 0) continue;
    for (const auto& one : events(id, last)) ++count[one];
  }
  EXPECT_FALSE(overflow_);
  for (int i = 1; i <= 100; ++i) {
    const std::string folder = "CREATE a" + std::to_string(i);
    EXPECT_EQ(count[folder], 1) << folder;
    EXPECT_EQ(count[folder + "/b"], 1) << folder;
    for (int j = 1; j <= 9; ++j) EXPECT_EQ(count[folder + "/b/" + std::to_string(j)], 1) << folder;
  }
}

// The kernel tells a rename in two events. With enough of them, some are read between the two.
TEST_F(WatchTest, RenamesAreNeverTakenForHalf) {
  const auto id = watch({{"recursive", true}});
  fs::create_directory(home_ / "watched/0");
  constexpr int kTimes = 2000;
  std::jthread mover([&] {
    const std::string arriving = temporary_upload_name(Upload::is_new);
    for (int i = 0; i < kTimes; ++i) {
      write("watched/" + arriving, "");
      fs::rename(home_ / "watched" / arriving, home_ / "watched/file");
      fs::remove(home_ / "watched/file");
      fs::rename(home_ / "watched" / std::to_string(i), home_ / "watched" / std::to_string(i + 1));
    }
    write("watched/" + std::to_string(kTimes) + "/end", "");
  });
  std::map<std::string, int> count;
  for (const auto& one : events(id, "CREATE " + std::to_string(kTimes) + "/end")) ++count[one];
  ASSERT_FALSE(overflow_);
  EXPECT_EQ(count["CREATE file"], kTimes);
  EXPECT_EQ(count["WRITE file"], kTimes);
  EXPECT_EQ(count["REMOVE file"], kTimes);
  for (int i = 1; i <= kTimes; ++i) EXPECT_EQ(count["CREATE " + std::to_string(i)], 1) << i;
}

TEST_F(WatchTest, WhatIsTooMuchIsAnnounced) {
  const auto id = watch();
  const auto outcome = exec(
      "cd watched; name=$(printf 'x%.0s' $(seq 200)); i=0; "
      "while [ $i -lt 20000 ]; do i=$((i+1)); > $name$i; done; > end");
  EXPECT_EQ(outcome.exit_code, 0);
  const auto told = events(id, "CREATE end");
  EXPECT_TRUE(overflow_);
  EXPECT_GT(told.size(), 1000U);
  overflow_ = false;
  write("watched/after", "");
  const auto later = events(id, "CREATE after");
  EXPECT_EQ(std::ranges::count(later, "CREATE after"), 1);
}

TEST_F(WatchTest, AWatchedFolderThatGoesIsTold) {
  const auto id = watch({{"recursive", true}});
  fs::remove(home_ / "watched");
  EXPECT_EQ(events(id, "REMOVE ."), (Strings{"REMOVE ."}));
}

TEST_F(WatchTest, EntriesForWhoAsks) {
  const auto id = watch({{"includeEntry", true}});
  write("watched/file", "text");
  SystemClock clock;
  json::array found;
  for (int i = 0; i < patience(1000) && found.empty(); ++i) {
    found = good("GetWatcherEvents", {{"watcherId", id}}).at("events").as_array();
    run(clock.sleep(milliseconds(10)));
  }
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].at("entry").at("path"), path("watched/file").c_str());
}

TEST_F(WatchTest, SeveralShareOneFolderAndAreCounted) {
  const auto first = watch(), second = watch({{"recursive", true}});
  good("RemoveWatcher", {{"watcherId", first}});
  write("watched/file", "");
  EXPECT_EQ(events(second, "CREATE file"), (Strings{"CREATE file"}));
  for (std::size_t i = 1; i < kWatchesMax; ++i) watch();
  EXPECT_EQ(bad("CreateWatcher", {{"path", "watched"}}), "429 resource_exhausted");
}

TEST_F(WatchTest, AStreamBeginsTellsAndEndsAtItsDeadline) {
  KeptText kept;
  auto test = [&]() -> Task<void> {
    TextBody body(encode_envelope(0, R"({"path":"watched","recursive":true})"));
    http::Request request{.method = http::Method::post};
    request.headers.add("Connect-Timeout-Ms", std::to_string(patience(milliseconds(700)).count()));
    request.body_reader = &body;
    const auto response = co_await service_->handle("WatchDir", request);
    EXPECT_TRUE(response.stream) << response.body;
    write("watched/file", "");
    if (response.stream) co_await response.stream(kept);
  };
  run(test());
  EnvelopeDecoder decoder(10'000);
  decoder.append(kept.text);
  Strings messages;
  while (auto next = decoder.next().value()) messages.push_back(next->text);
  ASSERT_EQ(messages.size(), 3U) << kept.text;
  EXPECT_EQ(messages[0], R"({"start":{}})");
  EXPECT_EQ(messages[1], R"({"filesystem":{"name":"file","type":"EVENT_TYPE_CREATE"}})");
  EXPECT_NE(messages[2].find("deadline_exceeded"), std::string::npos);
}

TEST(PermissionsText, IsAsGoWritesIt) {
  EXPECT_EQ(permissions_text(S_IFREG | 0644), "-rw-r--r--");
  EXPECT_EQ(permissions_text(S_IFDIR | 01777), "dtrwxrwxrwx");
  EXPECT_EQ(permissions_text(S_IFREG | 04755), "urwxr-xr-x");
  EXPECT_EQ(permissions_text(S_IFCHR | 0620), "Dcrw--w----");
  EXPECT_EQ(permissions_text(S_IFIFO | 0600), "prw-------");
}

}  // namespace
}  // namespace matrx::agent
