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
    asio::io_context io(1);
    http::Server engine(io.get_executor(), [this](http::Request& request) -> Task<http::Response> {
      asked_.push_back(std::string(http::method_name(request.method)) + " " + request.path);
      const bool deletes = request.method == http::Method::del;
      co_return http::Response{.status = deletes ? delete_status_ : wait_status_};
    });
    const std::string socket = (root_ / "engine.sock").string();
    EXPECT_TRUE(engine.listen_unix(socket, 0600));
    auto runtime =
        DockerRuntime::make({.host = "unix://" + socket, .sandboxes_dir = root_ / "sandboxes"})
            .value();
    Result<void> removed;
    auto all = [&]() -> Task<void> {
      TaskGroup group(co_await asio::this_coro::executor);
      group.spawn("engine", engine.run());
      group.spawn("beside", std::move(beside));
      removed = co_await runtime->remove(id_);
      engine.stop();
      co_await group.join();
    };
    run_task(io, all());
    return removed;
  }
  Result<void> remove() {
    auto nothing = []() -> Task<void> { co_return; };
    return remove(nothing());
  }

  fs::path root_;
  SandboxId id_ = *SandboxId::parse("sbx-0123456789ab");
  int delete_status_ = 204, wait_status_ = 200;
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
