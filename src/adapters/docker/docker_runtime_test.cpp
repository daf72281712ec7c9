// The runtime against an engine of a few lines, behind a socket of its own.

#include "adapters/docker/docker_runtime.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <fstream>

#include "async/task_group.hpp"
#include "base/log.hpp"
#include "fakes/run_task.hpp"
#include "http/server.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

class DockerRuntimeTest : public testing::Test {
 protected:
  DockerRuntimeTest() {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    std::string name = (fs::temp_directory_path() / "matrx-docker-XXXXXX").string();
    root_ = fs::canonical(::mkdtemp(name.data()));
    fs::create_directories(sandbox() / "run");
  }
  ~DockerRuntimeTest() override { fs::remove_all(root_); }

  fs::path sandbox() const { return root_ / "sandboxes" / id_.text(); }
  static void write_file(const fs::path& path) { std::ofstream(path) << "text"; }

  // Removes the sandbox, with `beside` going on at the same time.
  Result<void> remove(Task<void> beside) {
    return call([this](DockerRuntime& runtime) { return runtime.remove(id_); }, std::move(beside));
  }
  template <class Call>
  Result<void> call(Call runtime_call, Task<void> beside) {
    asio::io_context io(1);
    http::Server engine(io.get_executor(), [this](http::Request& request) -> Task<http::Response> {
      asked_.push_back(std::string(http::method_name(request.method)) + " " + request.path);
      co_return answer_(request);
    });
    const std::string socket = (root_ / "engine.sock").string();
    EXPECT_TRUE(engine.listen_unix(socket, 0600));
    auto runtime = DockerRuntime::make({.installation = "inst-1",
                                        .host = "unix://" + socket,
                                        .sandboxes_dir = root_ / "sandboxes",
                                        .memory_reserve_bytes = memory_reserve_bytes_,
                                        .meminfo_path = meminfo_path_})
                       .value();
    Result<void> result;
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("engine", engine.run());
      group.spawn("beside", std::move(beside));
      result = co_await runtime_call(*runtime);
      engine.stop();
      co_await group.join();
    };
    run_task(io, all());
    return result;
  }
  static Task<void> nothing() { co_return; }
  Result<void> remove() { return remove(nothing()); }
  Result<void> start() {
    return call([this](DockerRuntime& runtime) { return runtime.start(id_); }, nothing());
  }

  fs::path root_;
  std::int64_t memory_reserve_bytes_ = 64 << 20;
  std::string meminfo_path_ = "/proc/meminfo";
  SandboxId id_ = *SandboxId::parse("sbx-0123456789ab");
  int delete_status_ = 204, wait_status_ = 200;
  std::function<http::Response(const http::Request&)> answer_ =
      [this](const http::Request& request) {
        const bool deletes = request.method == http::Method::del;
        return http::Response{.status = deletes ? delete_status_ : wait_status_};
      };
  Strings asked_;
};

TEST_F(DockerRuntimeTest, RemovesTheContainerThenItsFolder) {
  write_file(sandbox() / "run" / "file");
  EXPECT_TRUE(remove());
  EXPECT_EQ(asked_, Strings{"DELETE /v1.41/containers/matrx-sbx-0123456789ab"});
  EXPECT_FALSE(fs::exists(sandbox()));
  EXPECT_TRUE(remove());  // again: it is gone already
}

TEST_F(DockerRuntimeTest, WaitsForARemovalUnderWay) {
  delete_status_ = 409;
  EXPECT_TRUE(remove());
  EXPECT_EQ(asked_.size(), 2U);
  EXPECT_FALSE(fs::exists(sandbox()));
}

TEST_F(DockerRuntimeTest, KeepsTheFolderOfAContainerThatIsStillThere) {
  delete_status_ = 500;
  EXPECT_EQ(remove().error().code, Code::unavailable);
  EXPECT_TRUE(fs::exists(sandbox() / "run"));
}

constexpr auto kOpen = docker::NetworkKind::open;

// An engine that has lost the network, and makes it or does not.
http::Response without_network(const http::Request& request, bool& has_network, int make_status) {
  if (request.path.ends_with("/networks/create")) {
    has_network = make_status == 201;
    return {.status = make_status, .body = R"({"message":"no address pool is left"})"};
  }
  if (request.path.contains("/networks/")) {
    return {.status = has_network ? 200 : 404,
            .body = docker::network_body("net", "inst-1", kOpen)};
  }
  if (has_network) return {.status = 204};
  return {.status = 404, .body = R"({"message":"network x not found"})"};
}

TEST_F(DockerRuntimeTest, ANetworkThatSomebodyRemovedIsMadeAnew) {
  bool has_network = false;
  answer_ = [&](const auto& request) { return without_network(request, has_network, 201); };
  EXPECT_TRUE(start());
  EXPECT_TRUE(has_network);
}

TEST_F(DockerRuntimeTest, ANetworkThatCannotBeMadeIsTold) {
  bool has_network = false;
  answer_ = [&](const auto& request) { return without_network(request, has_network, 404); };
  const auto started = start();
  EXPECT_EQ(started.error().code, Code::unavailable);
  EXPECT_TRUE(started.error().message.contains("default-address-pools")) << started.error().message;
}

// An engine whose network has a name of ours and IPv6.
class WrongNetworkTest : public DockerRuntimeTest {
 protected:
  Result<void> prepare(int delete_status, std::string owner) {
    bool is_wrong = true;
    answer_ = [&](const http::Request& request) -> http::Response {
      if (request.path.ends_with("/info")) return {.status = 200, .body = R"({"NCPU":3})"};
      if (request.method == http::Method::del) return {.status = delete_status};
      if (request.path.ends_with("/networks/create")) is_wrong = false;
      std::string body = docker::network_body("net", owner, kOpen);
      constexpr std::string_view kField = R"("EnableIPv6":false)";
      if (is_wrong) body.replace(body.find(kField), kField.size(), R"("EnableIPv6":true)");
      return {.status = 200, .body = std::move(body)};
    };
    auto prepare = [this](DockerRuntime& runtime) -> Task<Result<void>> {
      auto prepared = co_await runtime.prepare();
      cpus_ = runtime.cpus();
      co_return prepared;
    };
    return call(prepare, nothing());
  }

  std::optional<double> cpus_;
};

TEST_F(WrongNetworkTest, OneInUseStopsTheStartWithWhatToDo) {
  const auto refused = prepare(403, "inst-1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_EQ(refused.error().message,
            "The network matrx-sandboxes has IPv6, for which there are no rules: remove it "
            "('docker network rm matrx-sandboxes', when no container is on it any more) to have it "
            "made anew, or name another one in MATRX_DOCKER_NETWORK.");
  EXPECT_EQ(cpus_, 3);
}

TEST_F(WrongNetworkTest, OneOfOursThatNothingUsesIsMadeAnew) {
  EXPECT_TRUE(prepare(204, "inst-1"));
  EXPECT_EQ(asked_.back(), "POST /v1.41/networks/create");
}

TEST_F(WrongNetworkTest, OneOfOthersIsLeftAlone) {
  EXPECT_EQ(prepare(204, "inst-2").error().code, Code::invalid);
  for (const std::string& call : asked_) EXPECT_FALSE(call.starts_with("DELETE")) << call;
}

TEST_F(DockerRuntimeTest, AHostWithoutMemoryHasNoRoom) {
  const auto room = [this] {
    auto check = [](DockerRuntime& runtime) -> Task<Result<void>> {
      co_return runtime.check_room();
    };
    return call(check, nothing());
  };
  EXPECT_TRUE(room()) << "this one";
  memory_reserve_bytes_ = INT64_MAX;
  EXPECT_EQ(room().error().code, Code::unavailable) << "this one, as well";
  memory_reserve_bytes_ = 64 << 20;
  meminfo_path_ = (root_ / "meminfo").string();
  std::ofstream(meminfo_path_) << "MemTotal: 100000 kB\nMemAvailable: 65536 kB\n";
  EXPECT_TRUE(room());
  std::ofstream(meminfo_path_) << "MemTotal: 100000 kB\nMemAvailable: 65535 kB\n";
  EXPECT_EQ(room().error().code, Code::unavailable);
  fs::remove(meminfo_path_);
  EXPECT_TRUE(room()) << "what is not known keeps nobody out";
}

TEST_F(DockerRuntimeTest, LinksAreRemovedNotFollowed) {
  const fs::path outside = root_ / "outside";
  fs::create_directories(outside / "deeper");
  write_file(outside / "file");
  fs::create_directory_symlink(outside, sandbox() / "run" / "folder");
  fs::create_symlink(outside / "file", sandbox() / "run" / "file");
  fs::create_symlink("/nowhere", sandbox() / "run" / "dangling");
  fs::create_directory_symlink(sandbox(), sandbox() / "run" / "circle");
  EXPECT_TRUE(remove());
  EXPECT_FALSE(fs::exists(sandbox()));
  EXPECT_TRUE(fs::exists(outside / "file") && fs::exists(outside / "deeper"));

  fs::create_directory_symlink(outside, sandbox());  // in place of the whole folder
  EXPECT_TRUE(remove());
  EXPECT_FALSE(fs::is_symlink(sandbox()));
  EXPECT_TRUE(fs::exists(outside / "file") && fs::exists(outside / "deeper"));
}

}  // namespace
}  // namespace matrx
