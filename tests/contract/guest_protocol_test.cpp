// The in-sandbox protocol, held against the real agent over its socket: what clients of many
// languages count on (client-contracts.md §1.6 to §1.9), and our own additions.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "contract/agent_process.hpp"
#include "fakes/patience.hpp"
#include "fakes/run_task.hpp"
#include "http/client.hpp"
#include "wire/connect_envelope.hpp"
#include "wire/json.hpp"

namespace matrx {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using http::Method;

// A sanitizer's own memory says nothing about the agent's.
#if __has_feature(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// The messages of a stream, one after the other.
class Messages {
 public:
  explicit Messages(std::unique_ptr<http::ResponseStream> stream) : stream_(std::move(stream)) {}

  // Nothing when the connection is at its end.
  Task<std::optional<json::object>> next() {
    for (;;) {
      const auto envelope = decoder_.next();
      if (!envelope) co_return std::nullopt;
      if (*envelope) {
        closed_ = ((*envelope)->flags & ConnectEnvelope::kEndOfStream) != 0;
        co_return json::parse((*envelope)->text).value().as_object();
      }
      const auto piece = co_await stream_->read_some();
      if (!piece || piece->empty()) co_return std::nullopt;
      decoder_.append(*piece);
    }
  }
  bool closed() const { return closed_; }

 private:
  std::unique_ptr<http::ResponseStream> stream_;
  EnvelopeDecoder decoder_{1'000'000};
  bool closed_ = false;
};

// What a process has told.
struct Told {
  std::string output;
  std::uint64_t offset = 0, lost = 0;
  pid_t pid = 0;
  json::object end, closing;
  bool ended = false;
};

class GuestProtocol : public testing::Test {
 protected:
  GuestProtocol() {
    std::string name = (fs::temp_directory_path() / "matrx-protocol-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    const std::string socket = (folder_ / "agent.sock").string();
    agent_ = spawn_agent(socket);
    EXPECT_TRUE(wait_for_agent(socket)) << "the agent does not begin";
    connector_ = http::unix_connector(socket);
    client_ = std::make_unique<http::Client>(
        connector_, http::ClientOptions{.name = "The agent", .answer_bytes_max = 200'000'000});
    marker_ = "protocol-" + SystemRandom().hex(8);
  }
  ~GuestProtocol() override {
    client_.reset();
    ::kill(agent_, SIGKILL);
    ::waitpid(agent_, nullptr, 0);
    fs::remove_all(folder_);
  }

  http::Headers headers() const {
    http::Headers headers;
    // Whoever runs the tests: an agent that is not root can be nobody else.
    headers.add("Authorization", "Basic " + base64_encode(std::to_string(::geteuid()) + ":"));
    if (!token_.empty()) headers.add("X-Access-Token", token_);
    return headers;
  }
  Task<http::ClientResponse> ask(Method method, std::string target, std::string body = "") {
    http::ClientRequest request{.method = method,
                                .target = std::move(target),
                                .headers = headers(),
                                .body = std::move(body),
                                .deadline = patience(60s)};
    auto response = co_await client_->send(std::move(request));
    EXPECT_TRUE(response) << response.error().message;
    co_return std::move(response).value_or(http::ClientResponse{});
  }
  Task<http::ClientResponse> call(std::string method, std::string message) {
    co_return co_await ask(Method::post, "/" + method, std::move(message));
  }
  Task<Messages> open(std::string method, std::string message, int timeout_ms = 0) {
    http::ClientRequest request{.method = Method::post,
                                .target = "/" + method,
                                .headers = headers(),
                                .body = encode_envelope(0, message)};
    if (timeout_ms > 0) request.headers.add("Connect-Timeout-Ms", std::to_string(timeout_ms));
    auto stream = co_await client_->open(std::move(request));
    EXPECT_TRUE(stream) << stream.error().message;
    EXPECT_EQ((*stream)->status(), 200);
    co_return Messages(*std::move(stream));
  }
  static std::string shell(const std::string& command, const std::string& more = "") {
    json::object process{{"cmd", "/bin/bash"}, {"args", json::array{"-c", command}}};
    const std::string text = json::serialize(json::object{{"process", std::move(process)}});
    return text.substr(0, text.size() - 1) + more + "}";
  }
  // Takes what comes until the end, or until there is as much output as wanted.
  static Task<Told> listen(Messages& messages, std::size_t wanted = SIZE_MAX) {
    Told told;
    while (told.output.size() < wanted) {
      const auto message = co_await messages.next();
      if (!message) break;
      if (messages.closed()) {
        told.closing = *message;
        break;
      }
      const json::object& event = message->at("event").as_object();
      if (const auto* start = json::object_at(event, "start")) {
        told.pid = static_cast<pid_t>(json::integer_at(*start, "pid"));
        told.offset = number(*start, "offset");
      }
      if (const auto* gap = json::object_at(event, "gap")) {
        EXPECT_EQ(number(*gap, "from"), told.offset);
        told.lost += number(*gap, "to") - number(*gap, "from");
        told.offset = number(*gap, "to");
      }
      if (const auto* data = json::object_at(event, "data")) {
        std::string bytes;
        for (const char* name : {"stdout", "stderr", "pty"}) {
          bytes += base64_decode(json::text_at(*data, name)).value();
        }
        if (data->contains("offset")) EXPECT_EQ(number(*data, "offset"), told.offset);
        told.offset += bytes.size();
        told.output += bytes;
      }
      if (const auto* end = json::object_at(event, "end")) {
        told.end = *end;
        told.ended = true;
      }
    }
    co_return told;
  }
  static std::uint64_t number(const json::object& from, std::string_view name) {
    const auto text = json::text_at(from, name);
    return text.empty() ? 0 : std::stoull(std::string(text));
  }

  int survivors() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      std::string text((std::istreambuf_iterator<char>(file)), {});
      if (text.find(marker_) != std::string::npos) ++count;
    }
    return count;
  }
  // "VmHWM:   1234 kB" of the agent, in bytes.
  std::size_t peak_memory() const {
    std::ifstream file("/proc/" + std::to_string(agent_) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
    }
    return 0;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string user_query() const { return "&username=" + std::to_string(::geteuid()); }

  asio::io_context io_{1};
  SystemClock clock_;
  fs::path folder_;
  std::string marker_, token_;
  pid_t agent_ = -1;
  http::Connector connector_;
  std::unique_ptr<http::Client> client_;
};

TEST_F(GuestProtocol, TheEndOfAStreamIsTyped) {
  auto test = [&]() -> Task<void> {
    auto messages = co_await open("process.Process/Start", shell("echo hi; exit 3"));
    const Told told = co_await listen(messages);
    EXPECT_EQ(told.output, "hi\n");
    EXPECT_EQ(json::integer_at(told.end, "exitCode"), 3);
    EXPECT_TRUE(messages.closed());
    EXPECT_TRUE(told.closing.empty());
    auto refused = co_await open("process.Process/Start", shell("true").replace(12, 3, "xyz"));
    const Told none = co_await listen(refused);
    EXPECT_EQ(json::text_at(*json::object_at(none.closing, "error"), "code"), "invalid_argument");
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, AProcessOutlivesItsClientAndIsReadOnFromAnyOffset) {
  auto test = [&]() -> Task<void> {
    std::uint64_t offset = 0;
    std::string got;
    pid_t pid = 0;
    {
      auto first =
          co_await open("process.Process/Start",
                        shell("seq 1 100000; read line; seq 100001 1500000", R"(,"offsets":true)"));
      const Told told = co_await listen(first, 300'000);
      offset = told.offset;
      got = told.output;
      pid = told.pid;
    }  // the connection is closed, in the middle
    const std::string selector = R"("process":{"pid":)" + std::to_string(pid) + "}";
    EXPECT_NE((co_await call("process.Process/List", "{}")).body.find(std::to_string(pid)),
              std::string::npos);
    std::string expected;
    for (int i = 1; i <= 1'500'000; ++i) expected += std::to_string(i) + "\n";
    {
      auto second = co_await open("process.Process/Connect", "{" + selector + R"(,"since":")" +
                                                                 std::to_string(offset) + "\"}");
      const Told told = co_await listen(second, 588'895 - got.size());
      EXPECT_EQ(told.lost, 0U);
      got += told.output;
      offset = told.offset;
    }
    EXPECT_EQ(got, expected.substr(0, got.size()));
    EXPECT_EQ(got.size(), offset);
    const auto sent = co_await call("process.Process/SendInput",
                                    "{" + selector + R"(,"input":{"stdin":"Cg=="}})");
    EXPECT_EQ(sent.status, 200) << sent.body;
    // Nobody reads 10 MB: most of it is overwritten, and that is told. Waited for until the end: a
    // reader that comes earlier holds the process up, and loses nothing.
    bool has_ended = false;
    for (int i = 0; i < 10'000 && !has_ended; ++i) {
      if (i > 0) co_await clock_.sleep(10ms);
      const auto list = co_await call("process.Process/List", "{}");
      has_ended = list.status == 200 && list.body.find("\"pid\"") == std::string::npos;
    }
    EXPECT_TRUE(has_ended);
    auto third = co_await open("process.Process/Connect",
                               "{" + selector + R"(,"since":")" + std::to_string(offset) + "\"}");
    const Told rest = co_await listen(third);
    EXPECT_GT(rest.lost, 0U);
    EXPECT_EQ(rest.offset, expected.size());
    EXPECT_EQ(rest.output, expected.substr(offset + rest.lost));
    EXPECT_TRUE(rest.ended);
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, ADeadlineEndsTheWholeTree) {
  auto test = [&]() -> Task<void> {
    const std::string deaf = "bash -c 'trap \"\" TERM HUP INT; sleep 1000; : " + marker_ + "'";
    auto messages = co_await open("process.Process/Start",
                                  shell("setsid " + deaf + " & (setsid " + deaf + " &); " + deaf),
                                  static_cast<int>(patience(600ms).count()));
    const Told told = co_await listen(messages);
    EXPECT_EQ(json::text_at(*json::object_at(told.closing, "error"), "code"), "deadline_exceeded");
    for (int i = 0; i < patience(500) && survivors() > 0; ++i) co_await clock_.sleep(20ms);
    EXPECT_EQ(survivors(), 0);
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, ATerminalWithSeveralViewers) {
  auto test = [&]() -> Task<void> {
    auto first = co_await open(
        "process.Process/Start",
        R"({"process":{"cmd":"/bin/bash","args":["--norc","-i"]},"tag":"t","pty":{"size":{"cols":80,"rows":24}}})");
    (void)co_await listen(first, 1);
    auto second =
        co_await open("process.Process/Connect", R"({"process":{"tag":"t"},"since":"0"})");
    EXPECT_EQ((co_await call("process.Process/Update",
                             R"({"process":{"tag":"t"},"pty":{"size":{"cols":99,"rows":33}}})"))
                  .status,
              200);
    const std::string typed = base64_encode("stty size; exit 4\n");
    EXPECT_EQ((co_await call("process.Process/SendInput",
                             R"({"process":{"tag":"t"},"input":{"pty":")" + typed + "\"}}"))
                  .status,
              200);
    const Told one = co_await listen(first), two = co_await listen(second);
    EXPECT_NE(one.output.find("33 99\r\n"), std::string::npos) << one.output;
    EXPECT_TRUE(two.output.ends_with(one.output));
    EXPECT_EQ(json::integer_at(one.end, "exitCode"), 4);
    EXPECT_TRUE(two.ended);
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, FilesOfAnySizeInConstantMemory) {
  auto test = [&]() -> Task<void> {
    std::string large(100'000'000, 'x');
    for (std::size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>('a' + i % 26);
    const std::string target = "/files?path=" + path("new/large") + user_query();
    const auto up = co_await ask(Method::post, target, large);
    EXPECT_EQ(up.status, 200) << up.body;
    const auto down = co_await ask(Method::get, target);
    EXPECT_EQ(down.status, 200);
    EXPECT_TRUE(down.body == large);
    const auto archive =
        co_await ask(Method::get, "/matrx/archive?path=" + path("new") + user_query());
    EXPECT_EQ(archive.body.size() / 512, large.size() / 512 + 1 + 1 + 2);
    const auto unpacked = co_await ask(
        Method::put, "/matrx/archive?path=" + path("copy") + user_query(), archive.body);
    EXPECT_EQ(unpacked.body, R"({"entries":1,"bytes":100000000})");
    EXPECT_EQ(fs::file_size(folder_ / "copy/large"), large.size());
    if (!kSanitized) EXPECT_LT(peak_memory(), 16'000'000U);
    EXPECT_EQ((co_await ask(Method::get, "/files?path=/none" + user_query())).status, 404);
  };
  run_task(io_, test());
}

// Each is a fork of the agent: what the agent holds of other processes' output must not stay in it.
TEST_F(GuestProtocol, ASupervisorKeepsNothingOfTheOutputOfOthers) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory tells nothing";
  constexpr std::size_t kWritten = 4'000'000;
  const auto status_of = [](const std::string& pid, const std::string& name) {
    std::ifstream file("/proc/" + pid + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(name)) return std::stoul(line.substr(name.size()));
    }
    return 0UL;
  };
  auto test = [&]() -> Task<void> {
    std::vector<Messages> writers;
    for (int i = 0; i < 4; ++i) {
      const std::string command =
          "head -c " + std::to_string(kWritten) + " /dev/zero | tr '\\0' x; exec sleep 1000";
      writers.push_back(co_await open("process.Process/Start", shell(command)));
      EXPECT_EQ((co_await listen(writers.back(), kWritten)).output.size(), kWritten);
    }
    auto quiet = co_await open("process.Process/Start", shell("exec sleep 1000"));
    const auto first = co_await quiet.next();
    const json::object& start = *json::object_at(first->at("event").as_object(), "start");
    const std::string pid = std::to_string(json::integer_at(start, "pid"));
    const std::string supervisor = std::to_string(status_of(pid, "PPid:"));
    EXPECT_GT(status_of(std::to_string(agent_), "VmRSS:"), 4 * kWritten / 1024);
    EXPECT_LT(status_of(supervisor, "VmRSS:"), 8'000U) << "kB";
    EXPECT_GT(status_of(supervisor, "VmRSS:"), 0U);
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, AnUploadThatBreaksOffLeavesNothing) {
  auto test = [&]() -> Task<void> {
    auto stream = (co_await connector_()).value();
    (void)co_await stream->write("POST /files?path=" + path("half") + user_query() +
                                 " HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    (void)co_await stream->write(std::string(3'000'000, 'x'));
    const auto files = [&] {
      return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
    };
    for (int i = 0; i < patience(1000) && files() == 1; ++i) co_await clock_.sleep(5ms);
    EXPECT_EQ(files(), 2);  // on its way, under another name
    EXPECT_FALSE(fs::exists(folder_ / "half"));
    stream->close();
    for (int i = 0; i < patience(1000) && files() > 1; ++i) co_await clock_.sleep(5ms);
    EXPECT_EQ(files(), 1);
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, AWatchTellsOfUploadsByTheirNames) {
  auto test = [&]() -> Task<void> {
    fs::create_directory(folder_ / "watched");
    auto messages = co_await open("filesystem.Filesystem/WatchDir",
                                  R"({"path":")" + path("watched") + R"(","recursive":true})");
    EXPECT_TRUE((co_await messages.next())->contains("start"));
    const std::string target = "/files?path=" + path("watched/file") + user_query();
    (void)co_await ask(Method::post, target, "one");
    (void)co_await ask(Method::post, target, "two");
    std::string told;
    while (told.size() < 3) {
      const auto message = co_await messages.next();
      if (!message) break;
      const json::object& event = message->at("filesystem").as_object();
      EXPECT_EQ(json::text_at(event, "name"), "file");
      told += json::text_at(event, "type").substr(11, 1);
    }
    EXPECT_EQ(told, "CWW");
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, ATokenIsAskedForOnceItIsSet) {
  auto test = [&]() -> Task<void> {
    EXPECT_EQ((co_await ask(Method::get, "/envs")).body, "{}");
    const std::string init = R"({"accessToken":"secret","envVars":{"SAID":"so"}})";
    EXPECT_EQ((co_await ask(Method::post, "/init", init)).status, 204);
    EXPECT_EQ((co_await ask(Method::get, "/health")).status, 204);
    EXPECT_EQ((co_await ask(Method::get, "/metrics")).status, 401);
    EXPECT_EQ((co_await ask(Method::get, "/files?path=/")).status, 401);
    EXPECT_EQ((co_await call("process.Process/List", "{}")).status, 401);
    token_ = "secret";
    EXPECT_EQ((co_await ask(Method::get, "/envs")).body, R"({"SAID":"so"})");
    EXPECT_EQ((co_await call("process.Process/List", "{}")).status, 200);
    auto messages = co_await open("process.Process/Start", shell("echo $SAID"));
    EXPECT_EQ((co_await listen(messages)).output, "so\n");
    const auto metrics = json::parse((co_await ask(Method::get, "/metrics")).body).value();
    for (const char* name : {"ts", "cpu_count", "mem_total", "mem_used", "disk_total"}) {
      EXPECT_GT(metrics.at(name).to_number<double>(), 0) << name;
    }
  };
  run_task(io_, test());
}

TEST_F(GuestProtocol, ATunnelLeadsToALoopbackPort) {
  auto test = [&]() -> Task<void> {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 5), 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    const std::string port = std::to_string(ntohs(address.sin_port));
    const auto ports = co_await ask(Method::get, "/matrx/ports");
    EXPECT_NE(ports.body.find("{\"port\":" + port + ",\"address\":\"127.0.0.1\""),
              std::string::npos);
    auto stream = (co_await connector_()).value();
    (void)co_await stream->write("GET /matrx/tunnel?port=" + port +
                                 " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                                 "Upgrade: matrx-tunnel\r\n\r\nhello");
    std::array<char, 1000> answer;
    const auto count = co_await stream->read_some(answer);
    EXPECT_TRUE(std::string_view(answer.data(), count.value_or(0)).starts_with("HTTP/1.1 101"));
    const int inside = ::accept(listener, nullptr, nullptr);
    EXPECT_EQ(::recv(inside, answer.data(), 5, MSG_WAITALL), 5);
    EXPECT_EQ(std::string_view(answer.data(), 5), "hello");
    for (int descriptor : {inside, listener}) ::close(descriptor);
    while ((co_await stream->read_some(answer)).value_or(0) > 0) {
    }
  };
  run_task(io_, test());
}

}  // namespace
}  // namespace matrx
