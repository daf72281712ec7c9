// GET and POST /files, on real folders of this host.

#include "agent/files_service.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "agent/access.hpp"
#include "agent/command_test.hpp"
#include "agent/init_message.hpp"
#include "agent/metrics.hpp"
#include "base/text.hpp"
#include "wire/gzip.hpp"

namespace matrx::agent {
namespace {

namespace fs = std::filesystem;
using http::Method;

// A body that comes in pieces, and may break off.
class PieceBody : public http::BodyReader {
 public:
  PieceBody(std::string text, std::size_t piece, bool breaks)
      : rest_(std::move(text)), piece_(piece), breaks_(breaks) {}
  Task<Result<std::string>> read_some() override {
    if (rest_.empty() && breaks_) co_return fail(Code::invalid, "The connection ended.");
    std::string piece = rest_.substr(0, piece_);
    rest_.erase(0, piece.size());
    co_return piece;
  }
  std::optional<std::uint64_t> announced_bytes() const override { return std::nullopt; }

 private:
  std::string rest_;
  std::size_t piece_;
  bool breaks_;
};

class FilesTest : public CommandTest {
 protected:
  FilesTest() {
    std::ofstream(home_ / "passwd", std::ios::app) << "other:x:65534:65534::/:/bin/sh\n";
    fs::permissions(home_, fs::perms(0755));
    work_ = std::make_unique<UserWork>();
    files_ = std::make_unique<FilesService>(*work_, *users_, settings_);
  }
  ~FilesTest() override { context_.kill(); }

  http::Response send(Method method, std::string query, http::Headers headers = {},
                      std::string body = "", bool breaks = false) {
    http::Response response;
    auto test = [&]() -> Task<void> {
      PieceBody reader(std::move(body), piece_, breaks);
      http::Request request{.method = method, .query = std::move(query), .headers = headers};
      request.body_reader = &reader;
      response = co_await files_->handle(request);
      if (response.stream) {
        KeptText kept;
        co_await response.stream(kept);
        response.body = kept.text;
        if (response.stream_bytes) EXPECT_EQ(*response.stream_bytes, kept.text.size());
      }
    };
    run(test());
    return response;
  }
  http::Response get(std::string query, http::Headers headers = {}) {
    return send(Method::get, std::move(query), std::move(headers));
  }
  http::Response post(std::string query, std::string body, std::string encoding = "",
                      bool breaks = false) {
    http::Headers headers;
    headers.add("Content-Type", "application/octet-stream");
    if (!encoding.empty()) headers.add("Content-Encoding", encoding);
    return send(Method::post, std::move(query), headers, std::move(body), breaks);
  }
  http::Response post_parts(std::string query, std::string body) {
    http::Headers headers;
    headers.add("Content-Type", "multipart/form-data; boundary=bound");
    return send(Method::post, std::move(query), headers, std::move(body));
  }
  static std::string part(const std::string& name, const std::string& filename,
                          const std::string& text) {
    return "--bound\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" +
           filename + "\"\r\n\r\n" + text + "\r\n";
  }
  static http::Headers header(std::string name, std::string value) {
    http::Headers headers;
    headers.add(std::move(name), std::move(value));
    return headers;
  }
  std::string content(const std::string& name) const {
    std::ifstream file(home_ / name, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }
  std::size_t count_in(const std::string& folder) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(home_ / folder), fs::directory_iterator()));
  }
  std::string path(const std::string& name) const { return (home_ / name).string(); }

  std::size_t piece_ = 8192;
  std::unique_ptr<UserWork> work_;
  std::unique_ptr<FilesService> files_;
};

TEST_F(FilesTest, WhatWentUpComesDown) {
  std::string large;
  for (int i = 0; i < 200'000; ++i) large += std::to_string(i);
  const auto up = post("path=new/folder/a%20file", large);
  EXPECT_EQ(up.status, 200) << up.body;
  EXPECT_EQ(up.body, "[{\"path\":\"" + path("new/folder/a file") +
                         "\",\"name\":\"a file\",\"type\":\"file\"}]");
  EXPECT_EQ(content("new/folder/a file"), large);
  EXPECT_EQ(count_in("new/folder"), 1U);
  const auto down = get("path=new/folder/a%20file");
  EXPECT_EQ(down.status, 200);
  EXPECT_EQ(down.body, large);
  EXPECT_EQ(down.headers.get("Content-Disposition"), "inline; filename*=UTF-8''a%20file");
  EXPECT_EQ(post("path=empty", "").status, 200);
  const auto empty = get("path=empty");
  EXPECT_EQ(empty.status, 200);
  EXPECT_EQ(empty.stream_bytes, 0U);
  EXPECT_EQ(empty.body, "");
}

TEST_F(FilesTest, ReplacesAndKeepsWhatBelongsToTheFile) {
  std::ofstream(home_ / "script") << "old and longer";
  ::chmod(path("script").c_str(), 0750);
  fs::create_symlink("script", home_ / "link");
  EXPECT_EQ(post("path=link", "new").status, 200);
  EXPECT_EQ(content("script"), "new");
  EXPECT_TRUE(fs::is_symlink(home_ / "link"));
  struct stat info{};
  ASSERT_EQ(::stat(path("script").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750U);
}

TEST_F(FilesTest, Ranges) {
  std::ofstream(home_ / "file") << "0123456789";
  auto part = get("path=file", header("Range", "bytes=2-4"));
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(get("path=file", header("Range", "bytes=-3")).body, "789");
  const auto none = get("path=file", header("Range", "bytes=10-"));
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.headers.get("Content-Range"), "bytes */10");
  http::Headers outdated = header("Range", "bytes=2-4");
  outdated.add("If-Range", "\"another\"");
  EXPECT_EQ(get("path=file", outdated).body, "0123456789");
  http::Headers current = header("Range", "bytes=2-4");
  current.add("If-Range", std::string(part.headers.get("ETag")));
  EXPECT_EQ(get("path=file", current).body, "234");
}

TEST_F(FilesTest, PackedBothWays) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i % 1000);
  Gzip gzip;
  std::string packed = gzip.take(text, false);
  packed += gzip.take({}, true);
  EXPECT_EQ(post("path=file", packed, "gzip").status, 200);
  EXPECT_EQ(content("file"), text);
  const auto down = get("path=file", header("Accept-Encoding", "gzip"));
  EXPECT_EQ(down.headers.get("Content-Encoding"), "gzip");
  Gunzip gunzip;
  gunzip.give(down.body);
  EXPECT_EQ(gunzip.next(10'000'000), text);
  EXPECT_TRUE(gunzip.complete());
  // A client that takes several is served faster without.
  EXPECT_EQ(get("path=file", header("Accept-Encoding", "gzip, deflate, br")).body, text);
  EXPECT_EQ(get("path=file", header("Accept-Encoding", "br, *;q=0")).status, 406);
  EXPECT_EQ(post("path=bad", "no gzip", "gzip").status, 400);
  EXPECT_EQ(post("path=bad", packed.substr(0, packed.size() / 2), "gzip").status, 400);
  EXPECT_EQ(post("path=bad", "x", "br").status, 400);
  EXPECT_FALSE(fs::exists(home_ / "bad"));
}

TEST_F(FilesTest, FilesOfAForm) {
  for (std::size_t piece : {1UL, 100UL, 100'000UL}) {
    piece_ = piece;
    const std::string two =
        part("file", path("d/one"), "1") + part("note", "x", "?") + part("file", "two", "22");
    const auto up = post_parts("", two + "--bound--\r\nepilogue");
    EXPECT_EQ(up.status, 200) << up.body;
    const auto answer = json::parse(up.body).value().as_array();
    ASSERT_EQ(answer.size(), 2U);
    EXPECT_EQ(answer[0].at("path"), path("d/one").c_str());
    EXPECT_EQ(answer[1].at("name"), "two");
    EXPECT_EQ(content("d/one"), "1");
    EXPECT_EQ(content("two"), "22");
    fs::remove(home_ / "two");
  }
  EXPECT_EQ(post_parts("path=three", part("file", "ignored", "3") + "--bound--").status, 200);
  EXPECT_EQ(content("three"), "3");
  EXPECT_FALSE(fs::exists(home_ / "ignored"));
  const auto refused = [&](std::string query, const std::string& body) {
    EXPECT_EQ(post_parts(std::move(query), body).status, 400) << body;
  };
  refused("path=a", part("file", "b", "1") + part("file", "c", "2") + "--bound--");
  refused("", "--bound--");
  refused("", part("file", "", "1") + "--bound--");
  refused("", part("file", "cut-off", "1"));
  refused("", "");
  EXPECT_FALSE(fs::exists(home_ / "cut-off"));
  EXPECT_EQ(send(Method::post, "path=x", header("Content-Type", "multipart/form-data")).status,
            400);
}

TEST_F(FilesTest, AnAbortedUploadLeavesNothing) {
  fs::create_directory(home_ / "d");
  std::ofstream(home_ / "d/kept") << "kept";
  EXPECT_EQ(post("path=d/new", std::string(1'000'000, 'x'), "", true).status, 400);
  EXPECT_EQ(post("path=d/kept", std::string(1'000'000, 'x'), "", true).status, 400);
  EXPECT_EQ(count_in("d"), 1U);
  EXPECT_EQ(content("d/kept"), "kept");
}

TEST_F(FilesTest, WhatIsNoFileIsRefusedAtOnce) {
  fs::create_directory(home_ / "folder");
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0666), 0);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX};
  const std::string name = path("socket");
  name.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  for (const char* what : {"folder", "fifo", "socket", "/dev/null", "/dev/tty", "/dev/zero"}) {
    EXPECT_EQ(get(std::string("path=") + what).status, 400) << what;
    EXPECT_EQ(post(std::string("path=") + what, "x").status, 400) << what;
  }
  ::close(listener);
  EXPECT_TRUE(fs::is_fifo(home_ / "fifo"));
  EXPECT_EQ(post("path=folder/", "x").status, 400);
  EXPECT_EQ(post("path=none/", "x").status, 400);
  EXPECT_EQ(post("path=fifo/below", "x").status, 400);
  EXPECT_EQ(post("", "x").status, 400);
  EXPECT_EQ(get("").status, 400);
  EXPECT_EQ(get("path=a%00b").status, 400);
  EXPECT_EQ(get("path=none").status, 404);
  EXPECT_EQ(get("path=none&username=nobody-here").status, 401);
  EXPECT_EQ(get("path=none").body.substr(0, 11), R"({"code":404)");
  EXPECT_GT(get("path=/proc/self/status").body.size(), 100U);  // says that it is empty
  EXPECT_NE(get("path=/proc/self/fd/0").status, 200);          // nothing that the agent has open
}

TEST_F(FilesTest, EveryoneWithHisOwnRights) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as somebody else";
  fs::create_directory(home_ / "open");
  ::chmod(path("open").c_str(), 0777);
  std::ofstream(home_ / "open/secret") << "secret";
  ::chmod(path("open/secret").c_str(), 0600);
  std::ofstream(home_ / "open/read-only") << "theirs";
  const std::string other = "&username=other";
  EXPECT_EQ(get("path=" + path("open/secret") + other).status, 403);
  EXPECT_EQ(get("path=" + path("open/read-only") + other).body, "theirs");
  EXPECT_EQ(post("path=" + path("open/read-only") + other, "mine").status, 403);
  EXPECT_EQ(post("path=" + path("mine") + other, "x").status, 403);
  EXPECT_EQ(post("path=" + path("open/sub/mine") + other, "x").status, 200);
  for (const char* made : {"open/sub", "open/sub/mine"}) {
    struct stat info{};
    ASSERT_EQ(::stat(path(made).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 65'534U) << made;
  }
  settings_.default_user = "other";
  EXPECT_EQ(get("path=" + path("open/secret")).status, 403);
}

TEST_F(FilesTest, AFullDiskIsSaidSo) {
  fs::create_directory(home_ / "small");
  if (::mount("none", path("small").c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  const auto up = post("path=small/file", std::string(2'000'000, 'x'));
  EXPECT_EQ(up.status, 507);
  EXPECT_NE(up.body.find("no space is left"), std::string::npos);
  EXPECT_EQ(count_in("small"), 0U);
  ::umount2(path("small").c_str(), MNT_DETACH);  // whoever still holds it: the name is free
}

TEST_F(FilesTest, AFileThatIsRemovedMeanwhileArrivesWhole) {
  std::ofstream(home_ / "file") << std::string(3'000'000, 'x');
  std::string got;
  auto test = [&]() -> Task<void> {
    http::Request request{.method = Method::get, .query = "path=file"};
    const auto response = co_await files_->handle(request);
    fs::remove(home_ / "file");
    KeptText kept;
    co_await response.stream(kept);
    got = kept.text;
  };
  run(test());
  EXPECT_EQ(got, std::string(3'000'000, 'x'));
}

TEST_F(FilesTest, MetadataWhereTheFileSystemKeepsIt) {
  http::Headers headers = header("X-Metadata-Colour", "blue");
  const auto up = send(Method::post, "path=file", headers, "x");
  EXPECT_EQ(up.status, 200);
  std::string value(16, '\0');
  const auto size = ::getxattr(path("file").c_str(), "user.e2b.colour", value.data(), value.size());
  EXPECT_EQ(up.body.find(R"("metadata":{"colour":"blue"})") != std::string::npos, size == 4);
}

// --- Who may, and what else there is to ask ----------------------------------------------------

// Computed by the clients' own library.
TEST(Access, SignaturesAsTheClientsMakeThem) {
  const std::string path = "/home/user/a.txt";
  EXPECT_EQ(url_signature({.path = path, .operation = "read"}, "tok"),
            "v1_Zkbb3914oLJLvMBzCAHQhm2ydBLxbSx2eQUR/kLdvIY");
  EXPECT_EQ(url_signature({.path = path, .operation = "write", .user = "root"}, "tok"),
            "v1_tJmkQHhVPX4HQJN798qOoaLdUnmEwsD4q0dAgTQksTY");
  EXPECT_EQ(
      url_signature(
          {.path = path, .operation = "read", .user = "user", .expiration = 1'795'211'650}, "tok"),
      "v1_vmeaszmaQlFTZ1BSC+djc+hc41Sk/g+pxI2NJWMjUIs");
}

TEST(Access, TokenOrSignature) {
  const std::string read = "path=/home/user/a.txt";
  const auto allowed = [](Method method, std::string query, std::string token = "",
                          std::int64_t now = 1'795'211'650) {
    http::Request request{.method = method, .query = std::move(query)};
    if (!token.empty()) request.headers.add("X-Access-Token", token);
    return check_file_access(request, "tok", now).has_value();
  };
  EXPECT_FALSE(allowed(Method::get, read));
  EXPECT_TRUE(allowed(Method::get, read, "tok"));
  EXPECT_FALSE(allowed(Method::get, read, "toc"));
  const std::string plain = read + "&signature=v1_Zkbb3914oLJLvMBzCAHQhm2ydBLxbSx2eQUR%2FkLdvIY";
  EXPECT_TRUE(allowed(Method::get, plain));
  EXPECT_TRUE(allowed(Method::get, plain + "&username="));
  EXPECT_FALSE(allowed(Method::get, plain + "&username=root"));
  EXPECT_FALSE(allowed(Method::get, plain + "&signature_expiration=1895211650"));
  EXPECT_FALSE(allowed(Method::post, plain));
  EXPECT_FALSE(allowed(Method::get, plain + "&path=/etc/shadow"));
  const std::string until = read +
                            "&username=user&signature_expiration=1795211650"
                            "&signature=v1_vmeaszmaQlFTZ1BSC%2Bdjc%2Bhc41Sk%2Fg%2BpxI2NJWMjUIs";
  EXPECT_TRUE(allowed(Method::get, until));
  EXPECT_FALSE(allowed(Method::get, until, "", 1'795'211'651));
  EXPECT_FALSE(allowed(Method::get, read + "&signature_expiration=x&signature=y"));
}

TEST(Init, ChangesWhatItNames) {
  SandboxSettings settings{.environment = {{"OWN", "1"}}};
  const Pairs own = settings.environment;
  const auto apply = [&](std::string_view text) {
    const auto message = read_init(text);
    if (message) apply_init(*message, own, settings);
    return message.has_value();
  };
  EXPECT_TRUE(apply(R"({"envVars":{"A":"b"},"accessToken":"t","timestamp":"x"})"));
  EXPECT_TRUE(apply(R"({"defaultUser":"user","defaultWorkdir":"/w","accessToken":null})"));
  EXPECT_EQ(settings.access_token, "t");
  EXPECT_EQ(settings.default_user, "user");
  EXPECT_EQ(settings.default_workdir, "/w");
  EXPECT_EQ(settings.environment, (Pairs{{"OWN", "1"}, {"A", "b"}}));
  EXPECT_TRUE(apply(R"({"envVars":{"C":"d"}})"));
  EXPECT_EQ(settings.environment, (Pairs{{"OWN", "1"}, {"C", "d"}}));
  EXPECT_TRUE(apply(""));
  for (const char* bad : {"[]", "x", R"({"envVars":[]})", R"({"envVars":{"A":1}})",
                          R"({"accessToken":1})", R"({"defaultUser":"a\u0000b"})"}) {
    EXPECT_FALSE(apply(bad)) << bad;
  }
}

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() {
    std::string name = (fs::temp_directory_path() / "matrx-metrics-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    put("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 400 kB\nBuffers: 50 kB\nCached: 100 kB\n");
    put("proc/stat", "cpu  100 0 50 900 7 1 2 0 0 0\ncpu0 1 2\n");
    put("proc/net/dev",
        "Inter-|   Receive\n face |bytes\n    lo: 5 0 0 0 0 0 0 0 5 0\n"
        "  eth0: 1000 1 0 0 0 0 0 0 2000 1\n");
    put("proc/12/stat", "");
  }
  ~MetricsTest() override { fs::remove_all(root_); }
  void put(const std::string& name, std::string_view text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  fs::path root_;
};

TEST_F(MetricsTest, FromTheSecondKindOfGroups) {
  put("sys/fs/cgroup/cpu.max", "50000 100000\n");
  put("sys/fs/cgroup/cpu.stat", "usage_usec 3000000\nuser_usec 1\n");
  put("sys/fs/cgroup/memory.max", "524288\n");
  put("sys/fs/cgroup/memory.current", "300000\n");
  put("sys/fs/cgroup/memory.stat", "anon 5\nfile 100000\nfile_mapped 7\n");
  const Usage usage = read_usage(root_.string());
  EXPECT_EQ(usage.cpu_time.count(), 3'000'000);
  EXPECT_EQ(usage.cpus, 0.5);
  EXPECT_EQ(usage.memory_total, 524'288U);
  EXPECT_EQ(usage.memory_used, 200'000U);
  EXPECT_EQ(usage.memory_cache, 100'000U);
  EXPECT_EQ(usage.received, 1000U);
  EXPECT_EQ(usage.sent, 2000U);
  EXPECT_EQ(usage.processes, 1U);
  EXPECT_GT(usage.disk_total, usage.disk_used);
}

TEST_F(MetricsTest, FromTheFirstKindOfGroups) {
  put("sys/fs/cgroup/cpuacct/cpuacct.usage", "4000000000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "300000\n");
  put("sys/fs/cgroup/memory/memory.stat", "cache 1\ntotal_cache 100000\n");
  const Usage usage = read_usage(root_.string());
  EXPECT_EQ(usage.cpu_time.count(), 4'000'000);
  EXPECT_GE(usage.cpus, 1);
  EXPECT_EQ(usage.memory_total, 1000U * 1024);  // no limit: the machine's
  EXPECT_EQ(usage.memory_used, 200'000U);
}

TEST_F(MetricsTest, KillsForWantOfMemoryAreCountedInBothKindsOfGroups) {
  EXPECT_EQ(count_oom_kills(root_.string()), 0U);
  put("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
  EXPECT_EQ(count_oom_kills(root_.string()), 7U);
  put("sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 30\noom 4\noom_kill 3\n");
  EXPECT_EQ(count_oom_kills(root_.string()), 3U);
}

TEST_F(MetricsTest, WithoutGroupsAndWithoutAnything) {
  const Usage usage = read_usage(root_.string());
  EXPECT_EQ(usage.cpu_time.count(), 153 * 1'000'000 / ::sysconf(_SC_CLK_TCK));
  EXPECT_EQ(usage.memory_used, 450U * 1024);
  EXPECT_EQ(usage.memory_cache, 150U * 1024);
  const Usage none = read_usage((root_ / "nothing").string());
  EXPECT_EQ(none.memory_total, 0U);
}

TEST(Metrics, PercentOfAllCpusSinceTheLastTime) {
  using namespace std::chrono_literals;
  const Metrics::SteadyTime begin{};
  Metrics metrics(begin);
  Usage usage{.cpu_time = 1s, .cpus = 2, .memory_total = 3 << 20};
  EXPECT_EQ(metrics.describe(usage, begin + 1s, 7).at("cpu_used_pct"), 0.0);
  usage.cpu_time = 2s;
  const auto told = metrics.describe(usage, begin + 2s, 8);
  EXPECT_EQ(told.at("cpu_used_pct"), 50.0);
  EXPECT_EQ(told.at("ts"), 8);
  EXPECT_EQ(told.at("cpu_used_us"), 2'000'000);
  EXPECT_EQ(told.at("cpu_count"), 2);
  EXPECT_EQ(told.at("mem_total_mib"), 3);
  usage.cpu_time = 2001ms;
  EXPECT_EQ(metrics.describe(usage, begin + 2001ms, 8).at("cpu_used_pct"), 50.0);  // too soon
  usage.cpu_time = 100s;
  EXPECT_EQ(metrics.describe(usage, begin + 3s, 9).at("cpu_used_pct"), 100.0);
}

}  // namespace
}  // namespace matrx::agent
