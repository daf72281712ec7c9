// Folders as archives, there and back, and what a hostile archive may not do.

#include <sys/stat.h>
#include <unistd.h>

#include "agent/archive_service.hpp"
#include "agent/archive_sink.hpp"
#include "agent/archive_source.hpp"
#include "agent/command_test.hpp"
#include "wire/gzip.hpp"

namespace matrx::agent {
namespace {

namespace fs = std::filesystem;
using Kind = TarEntry::Kind;

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    std::string name = (fs::temp_directory_path() / "matrx-archive-XXXXXX").string();
    root_ = fs::canonical(::mkdtemp(name.data()));
    fs::create_directories(root_ / "from");
  }
  ~ArchiveTest() override {
    fs::permissions(root_, fs::perms::owner_all);
    fs::remove_all(root_);
  }

  std::string pack(const std::string& folder, bool skip = false) {
    auto source = ArchiveSource::open((root_ / folder).string(), skip);
    EXPECT_TRUE(source) << source.error().message;
    std::string archive;
    for (;;) {
      const auto piece = source->next();
      EXPECT_TRUE(piece) << piece.error().message;
      if (!piece || piece->empty()) return archive;
      archive += *piece;
    }
  }
  FileResult<std::uint64_t> unpack(const std::string& folder, std::string_view archive,
                                   std::size_t piece = 100'000, bool outside_links = false) {
    TRY(sink, ArchiveSink::open((root_ / folder).string(), outside_links));
    while (!archive.empty()) {
      CHECK_OK(sink.take(archive.substr(0, piece)));
      archive.remove_prefix(std::min(piece, archive.size()));
    }
    CHECK_OK(sink.finish());
    return sink.entries();
  }
  static std::string one(TarEntry entry, const std::string& data = "") {
    entry.size = data.size();
    return tar_header(entry) + data + tar_padding(data.size());
  }
  std::string refusal(const std::string& archive) {
    const auto done = unpack("to", archive + tar_end());
    return done ? "taken" : done.error().message;
  }
  // "path mode time content-or-target", sorted
  Strings listing(const std::string& folder) {
    Strings lines;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / folder)) {
      struct stat info{};
      ::lstat(entry.path().c_str(), &info);
      std::string line = fs::relative(entry.path(), root_ / folder).string() + " " +
                         std::to_string(info.st_mode) + " " + std::to_string(info.st_mtim.tv_sec);
      if (entry.is_symlink()) {
        line += " " + fs::read_symlink(entry.path()).string();
      } else if (entry.is_regular_file()) {
        line += " " + content(entry.path());
      }
      lines.push_back(line);
    }
    std::ranges::sort(lines);
    return lines;
  }
  static std::string content(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(stream)), {});
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }

  fs::path root_;
};

TEST_F(ArchiveTest, ThereAndBack) {
  write("from/a/file", "text");
  write("from/a/b/large", std::string(1'000'001, 'x'));
  write("from/empty", "");
  write("from/" + std::string(200, 'n') + "/" + std::string(200, 'm'), "long");
  fs::create_directory(root_ / "from/none");
  fs::create_symlink("a/file", root_ / "from/link");
  fs::create_symlink("../b/large", root_ / "from/a/b/up");
  ::chmod((root_ / "from/a/file").c_str(), 0751);
  ::chmod((root_ / "from/a").c_str(), 0700);
  ::mkfifo((root_ / "from/fifo").c_str(), 0600);
  const timespec old[2] = {{.tv_sec = 1'600'000'000, .tv_nsec = 0},
                           {.tv_sec = 1'600'000'000, .tv_nsec = 0}};
  for (const char* name : {"a/b/large", "a/b", "a", "none"}) {
    ::utimensat(AT_FDCWD, (root_ / "from" / name).c_str(), old, 0);
  }
  const std::string archive = pack("from");
  fs::remove(root_ / "from/fifo");  // left out
  const Strings expected = listing("from");
  for (std::size_t piece : {1'000UL, 10'000'000UL}) {
    const auto done = unpack("to", archive, piece);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(*done, expected.size());
    EXPECT_EQ(listing("to"), expected);  // and again over what is there
  }
}

TEST_F(ArchiveTest, OtherProgramsUnderstandItAndAreUnderstood) {
  write("from/sub/" + std::string(90, 'f') + "/" + std::string(90, 'n'), "text");
  fs::create_symlink("sub", root_ / "from/link");
  const std::string archive = pack("from");
  std::ofstream(root_ / "ours.tar", std::ios::binary) << archive;
  const std::string in = "cd " + root_.string() + " && ";
  ASSERT_EQ(std::system((in + "mkdir theirs && tar -xf ours.tar -C theirs").c_str()), 0);
  EXPECT_EQ(listing("theirs"), listing("from"));
  for (const char* format : {"gnu", "pax", "ustar"}) {
    const std::string made = in + "tar --format=" + format + " -cf " + format + ".tar -C from .";
    ASSERT_EQ(std::system(made.c_str()), 0) << format;
    const auto done = unpack(format, content(root_ / (std::string(format) + ".tar")));
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(listing(format), listing("from"));
  }
}

TEST_F(ArchiveTest, NothingLeadsOut) {
  write("outside/file", "mine");
  fs::create_directories(root_ / "to");
  fs::create_directory_symlink(root_ / "outside", root_ / "to/way-out");
  for (const char* path : {"../x", "a/../../x", "/etc/x", "way-out/x", "way-out/file/x", "a/.."}) {
    EXPECT_NE(refusal(one({.path = path}, "evil")), "taken") << path;
    EXPECT_NE(refusal(one({.kind = Kind::folder, .path = path})), "taken") << path;
    EXPECT_NE(refusal(one({.kind = Kind::symlink, .path = path, .link_target = "a"})), "taken");
    EXPECT_NE(refusal(one({.kind = Kind::hard_link, .path = "h", .link_target = path})), "taken");
  }
  for (const char* target : {"/etc/passwd", "..", "../x", "a/../../x", "a/..", ""}) {
    EXPECT_NE(refusal(one({.kind = Kind::symlink, .path = "l", .link_target = target})), "taken")
        << target;
  }
  EXPECT_EQ(refusal(one({.kind = Kind::symlink, .path = "d/l", .link_target = "../x/y"})), "taken");
  // A link of its own, and then through it.
  EXPECT_NE(refusal(one({.kind = Kind::symlink, .path = "s", .link_target = "d"}) +
                    one({.path = "s/x"}, "evil")),
            "taken");
  // A file in place of a link replaces the link.
  fs::create_symlink(root_ / "outside/file", root_ / "to/file");
  EXPECT_EQ(refusal(one({.path = "file", .mode = 0644}, "new")), "taken");
  EXPECT_EQ(content(root_ / "outside/file"), "mine");
  EXPECT_EQ(content(root_ / "to/file"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "outside"), fs::directory_iterator()), 1);
  // Whoever wants links as they are gets them; they are not followed either.
  EXPECT_TRUE(
      unpack("free", one({.kind = Kind::symlink, .path = "l", .link_target = "/etc"}), 1000, true));
  EXPECT_FALSE(unpack("free", one({.path = "l/x"}, "evil"), 1000, true));
}

TEST_F(ArchiveTest, WhatIsCutOffLeavesNoHalfFile) {
  const std::string archive = one({.path = "whole", .mode = 0644}, "text") +
                              one({.path = "half"}, std::string(10'000, 'x'));
  EXPECT_EQ(unpack("to", archive.substr(0, 5000)).error().kind, FileError::Kind::invalid);
  EXPECT_EQ(listing("to").size(), 1U);
  EXPECT_EQ(unpack("to", "no archive at all, but long enough to be one" + std::string(600, 'x'))
                .error()
                .kind,
            FileError::Kind::invalid);
  EXPECT_TRUE(unpack("to", archive));  // without an end, as some write them
  EXPECT_EQ(unpack("to", one({.path = "x", .mode = 04755}, "x")), 1U);
  struct stat info{};
  ASSERT_EQ(::stat((root_ / "to/x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U) << "an archive gives nobody another one's rights";
}

TEST_F(ArchiveTest, SaysWhatIsNoFolder) {
  write("from/file", "text");
  EXPECT_EQ(ArchiveSource::open((root_ / "none").string(), false).error().kind,
            FileError::Kind::not_found);
  EXPECT_EQ(ArchiveSource::open((root_ / "from/file").string(), false).error().kind,
            FileError::Kind::wrong_type);
  EXPECT_EQ(ArchiveSink::open((root_ / "from/file").string(), false).error().kind,
            FileError::Kind::wrong_type);
  EXPECT_EQ(unpack("from", one({.kind = Kind::folder, .path = "file"})).error().kind,
            FileError::Kind::exists);
  fs::create_directory(root_ / "from/folder");
  EXPECT_EQ(unpack("from", one({.path = "folder"}, "x")).error().kind, FileError::Kind::wrong_type);
}

// --- Over HTTP ---------------------------------------------------------------------------------

class ArchiveServiceTest : public CommandTest {
 protected:
  ArchiveServiceTest() {
    std::ofstream(home_ / "passwd", std::ios::app) << "other:x:65534:65534::/:/bin/sh\n";
    fs::permissions(home_, fs::perms(0755));
    work_ = std::make_unique<UserWork>();
    service_ = std::make_unique<ArchiveService>(*work_, *users_, settings_);
  }
  ~ArchiveServiceTest() override { context_.kill(); }

  http::Response send(http::Method method, std::string query, std::string body = "",
                      http::Headers headers = {}) {
    http::Response response;
    auto test = [&]() -> Task<void> {
      TextBody reader(std::move(body));
      http::Request request{.method = method, .query = std::move(query), .headers = headers};
      request.body_reader = &reader;
      response = co_await service_->handle(request);
      if (response.stream) {
        KeptText kept;
        co_await response.stream(kept);
        response.body = kept.text;
      }
    };
    run(test());
    return response;
  }

  std::unique_ptr<UserWork> work_;
  std::unique_ptr<ArchiveService> service_;
};

TEST_F(ArchiveServiceTest, DownAndUpAlsoPacked) {
  fs::create_directory(home_ / "from");
  std::ofstream(home_ / "from/file") << "text";
  const auto down = send(http::Method::get, "path=from");
  EXPECT_EQ(down.status, 200);
  EXPECT_TRUE(*down.stream_complete);
  Gzip gzip;
  std::string packed = gzip.take(down.body, false);
  packed += gzip.take({}, true);
  http::Headers headers;
  headers.add("Content-Encoding", "gzip");
  const auto up = send(http::Method::put, "path=new/to", packed, headers);
  EXPECT_EQ(up.status, 200);
  EXPECT_EQ(up.body, R"({"entries":1,"bytes":4})");
  EXPECT_TRUE(fs::exists(home_ / "new/to/file"));
  EXPECT_EQ(send(http::Method::get, "path=none").status, 404);
  EXPECT_EQ(send(http::Method::get, "path=from/file").status, 400);
  EXPECT_EQ(send(http::Method::put, "path=new", "nonsense").status, 400);
  EXPECT_EQ(send(http::Method::put, "path=new&username=nobody-here").status, 401);
}

TEST_F(ArchiveServiceTest, WhatTheUserMayNotReadBreaksItOffOrIsLeftOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as somebody else";
  fs::create_directory(home_ / "from");
  std::ofstream(home_ / "from/secret") << "secret";
  ::chmod((home_ / "from/secret").c_str(), 0600);
  const std::string query = "username=other&path=" + (home_ / "from").string();
  const auto broken = send(http::Method::get, query);
  EXPECT_EQ(broken.body.find("secret"), std::string::npos);
  EXPECT_FALSE(*broken.stream_complete);
  const auto without = send(http::Method::get, query + "&skip_unreadable=true");
  EXPECT_TRUE(*without.stream_complete);
  EXPECT_EQ(without.body, tar_end());
  EXPECT_EQ(send(http::Method::put, query, without.body).status, 200);
  const auto up = send(http::Method::put, query, tar_header({.path = "x"}) + tar_end());
  EXPECT_EQ(up.status, 403);
}

}  // namespace
}  // namespace matrx::agent
