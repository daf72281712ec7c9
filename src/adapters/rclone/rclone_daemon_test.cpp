#include "adapters/rclone/rclone_daemon.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/limits.hpp"
#include "fakes/run_task.hpp"

namespace matrx::rclone {
namespace {

namespace fs = std::filesystem;

// Behaves as `rclone rcd` does, as far as it is asked here. A transfer takes a hundred looks at it,
// or for ever; what it has moved grows with each look, or not.
constexpr const char* kFake = R"(#!/usr/bin/python3
import http.server, json, sys, time
looks = 0
class Rclone(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def log_message(self, *words): pass
    def do_POST(self):
        global looks
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 200, {}
        if self.path == "/core/stats":
            looks += 1
            answer = {"bytes": looks if asked["group"] == "matrx/1" else 0}
        elif self.path == "/sync/copy":
            while asked["srcFs"] != "moves" or looks < 100:
                time.sleep(0.01)
        elif self.path == "/operations/list":
            status = 500
            answer = {"error": "SlowDown: x\n\tstatus code: 503, request id: 1"}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
host, port = sys.argv[sys.argv.index("--rc-addr") + 1].split(":")
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer((host, int(port)), Rclone).serve_forever()
)";

// Whoever sleeps for long is soon awake, and the time has passed all the same.
class ShortNights : public Clock {
 public:
  TimePoint now() const override { return real_.now(); }
  milliseconds uptime() const override { return real_.uptime() + skipped_; }
  Task<void> sleep(milliseconds duration) override {
    // A program that starts takes its time, also on a machine that is busy.
    const bool is_short = duration <= milliseconds(50);
    co_await real_.sleep(is_short ? duration : milliseconds(1));
    if (!is_short) skipped_ += duration;
  }

 private:
  SystemClock real_;
  milliseconds skipped_{0};
};

class RcloneDaemon : public testing::Test {
 protected:
  RcloneDaemon() {
    std::string name = (fs::temp_directory_path() / "matrx-rclone-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    std::ofstream(root_ / "rclone") << kFake;
    ::chmod((root_ / "rclone").c_str(), 0700);
    daemon_ = std::make_unique<Daemon>(
        DaemonSettings{.program = (root_ / "rclone").string(), .folder = (root_ / "data").string()},
        clock_);
  }
  ~RcloneDaemon() override {
    daemon_.reset();
    fs::remove_all(root_);
  }

  fs::path root_;
  ShortNights clock_;
  std::unique_ptr<Daemon> daemon_;  // its connections end before the loop does
  asio::io_context io_{1};
};

TEST_F(RcloneDaemon, ATransferMayTakeLongWhileItMoves) {
  const milliseconds began = clock_.uptime();
  const auto done = run_task(io_, daemon_->transfer("sync/copy", {{"srcFs", "moves"}}));
  EXPECT_TRUE(done.has_value()) << done.error().internal;
  EXPECT_GT(clock_.uptime() - began, kObjectStandstill);
}

TEST_F(RcloneDaemon, ATransferThatStandsStillIsGivenUp) {
  ASSERT_TRUE(run_task(io_, daemon_->transfer("sync/copy", {{"srcFs", "moves"}})));
  const auto stuck = run_task(io_, daemon_->transfer("sync/copy", {{"srcFs", "stands"}}));
  ASSERT_FALSE(stuck.has_value());
  EXPECT_EQ(stuck.error().code, Code::timeout);
  EXPECT_EQ(stuck.error().message, "The object store does not answer in time.");
}

TEST_F(RcloneDaemon, AFailureNamesItsCause) {
  const auto listed = run_task(io_, daemon_->call("operations/list", {}, kObjectCallDeadline));
  ASSERT_FALSE(listed.has_value());
  EXPECT_EQ(listed.error().message, "The object store is too busy (it answers 503).");
}

}  // namespace
}  // namespace matrx::rclone
