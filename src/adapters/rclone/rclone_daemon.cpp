#include "adapters/rclone/rclone_daemon.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

extern char** environ;

namespace matrx::rclone {
namespace {

namespace fs = std::filesystem;

constexpr auto kStartPoll = milliseconds(20);
constexpr auto kEndPatience = std::chrono::seconds(2);
constexpr const char* kUser = "matrx";

// A port that nobody uses now. Somebody may take it before rclone does: then it does not start, and
// is started again.
int free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool found = ::bind(probe, any, size) == 0 && ::getsockname(probe, any, &size) == 0;
  ::close(probe);
  return found ? ntohs(address.sin_port) : 0;  // 0: rclone does not start, and says so
}

std::string find_program(const std::string& name) {
  if (name.contains('/')) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path ? path : "/usr/bin:/bin", ':')) {
    const std::string full = std::string(folder) + "/" + name;
    if (::access(full.c_str(), X_OK) == 0) return full;
  }
  return "";
}

// Ours, without what is not rclone's business, and with what it is told here.
std::vector<std::string> child_environment(const std::vector<std::string>& added) {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text = *line;
    // AWS_CA_BUNDLE: rclone 1.60 does not start with it. Our own settings hold other secrets.
    const bool unwanted = text.starts_with("MATRX_") || text.starts_with("RCLONE_") ||
                          text.starts_with("AWS_CA_BUNDLE=");
    if (!unwanted) lines.emplace_back(text);
  }
  lines.insert(lines.end(), added.begin(), added.end());
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& lines) {
  std::vector<char*> all;
  all.reserve(lines.size() + 1);
  for (auto& line : lines) all.push_back(line.data());
  all.push_back(nullptr);
  return all;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '/';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Error to_error(const http::ClientResponse& response) {
  const auto parsed = json::parse(response.body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  std::string words(root ? json::text_at(*root, "error") : std::string_view(response.body));
  std::ranges::replace(words, '\n', ' ');
  const bool is_missing = response.status == 404 || words.contains("directory not found") ||
                          words.contains("object not found") || words.contains("NoSuchBucket");
  if (is_missing) return {Code::not_found, "There is no such object.", words};
  return {Code::unavailable, "The object store does not work.", words};
}

}  // namespace

Daemon::Daemon(DaemonSettings settings, Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

Daemon::~Daemon() { end(); }

void Daemon::end() {
  if (pid_ == 0) return;
  is_ending_ = true;
  ::kill(pid_, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + kEndPatience;
  while (is_running() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kStartPoll);
  }
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

bool Daemon::is_running() {
  if (pid_ == 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  if (!is_ending_) log::warning("rclone has ended", {{"pid", pid_}, {"status", status}});
  pid_ = 0;
  return false;
}

// No secret in it: those come by the environment or by the instance's role. A fixed name of the
// remote keeps the cache of a mount found after a restart, also with other credentials.
Result<std::string> Daemon::write_configuration() const {
  std::string text =
      "[s3]\ntype = s3\nenv_auth = true\nno_check_bucket = true\n"
      "list_url_encode = true\n";
  text += "provider = " + std::string(settings_.endpoint.empty() ? "AWS" : "Other") + "\n";
  text += "region = " + settings_.region + "\n";
  if (!settings_.endpoint.empty()) {
    text += "endpoint = " + settings_.endpoint + "\nforce_path_style = true\n";
  }
  std::string path = (fs::path(settings_.folder) / "rclone.conf").string();
  CHECK_OK(replace_file(path, text));
  return path;
}

Result<void> Daemon::spawn() {
  const std::string program = find_program(settings_.program);
  if (program.empty()) {
    return fail(
        Code::unavailable,
        "rclone is not installed; it moves the files to the bucket: apt-get install rclone");
  }
  TRY(configuration, write_configuration());
  const std::string port = std::to_string(free_port());
  const std::string password = random_.hex(24);
  std::vector<std::string> arguments = {program,
                                        "rcd",
                                        "--rc-addr",
                                        "127.0.0.1:" + port,
                                        "--rc-serve",
                                        "--use-server-modtime",
                                        "--no-unicode-normalization",
                                        "--cache-dir",
                                        (fs::path(settings_.folder) / "cache").string(),
                                        "--config",
                                        configuration};
  std::vector<std::string> environment = child_environment(
      {"RCLONE_RC_USER=" + std::string(kUser), "RCLONE_RC_PASS=" + password,
       "RCLONE_CONTIMEOUT=10s", "RCLONE_TIMEOUT=30s", "RCLONE_LOW_LEVEL_RETRIES=3",
       "RCLONE_RETRIES=1", "RCLONE_BUFFER_SIZE=1M", "RCLONE_S3_UPLOAD_CONCURRENCY=2",
       "RCLONE_S3_CHUNK_SIZE=16M", "RCLONE_LOG_LEVEL=ERROR"});
  auto argv = pointers(arguments);
  auto envp = pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return file_error("fork");
  if (child == 0) {
    // Only what is safe after a fork. It must not outlive us, also where we are killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::setsid();
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      ::dup2(nowhere, descriptor);
    }
    ::signal(SIGPIPE, SIG_DFL);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  pid_ = child;
  ++life_;
  authorization_ = "Basic " + base64_encode(std::string(kUser) + ":" + password);
  client_ =
      std::make_shared<http::Client>(http::tcp_connector("127.0.0.1", port),
                                     http::ClientOptions{.name = "rclone",
                                                         .host = "127.0.0.1",
                                                         .connections_max = kRcloneConnectionsMax,
                                                         .idle_max = kRcloneConnectionsMax,
                                                         .answer_bytes_max = kManifestBytesMax});
  return {};
}

Task<Result<void>> Daemon::start() {
  const auto slot = co_await starting_.take();
  if (is_running()) co_return Result<void>();
  // One that ends again and again must not cost a start for each call.
  if (clock_.uptime() < next_start_at_) {
    co_return fail(Code::unavailable, "The object store does not work.", "rclone has just ended");
  }
  next_start_at_ = clock_.uptime() + milliseconds(kRcloneStartPause);
  CO_CHECK(spawn());
  co_return co_await wait_until_it_answers();
}

Task<Result<void>> Daemon::wait_until_it_answers() {
  const Patience patience(clock_, kRcloneStartDeadline);
  for (;;) {
    http::ClientRequest request{.method = http::Method::post, .target = "/rc/noop", .body = "{}"};
    request.deadline = patience.left() + kStartPoll;
    const auto answer = co_await send(std::move(request));
    // Somebody else may have taken the port: then ours has ended.
    if (answer && answer->status == 200 && is_running()) co_return Result<void>();
    if (patience.is_over() || !is_running()) {
      co_return fail(Code::unavailable, "rclone does not start.",
                     answer ? std::to_string(answer->status) : answer.error().internal);
    }
    co_await clock_.sleep(kStartPoll);
  }
}

Task<Result<http::ClientResponse>> Daemon::send(http::ClientRequest request) {
  request.headers.add("Authorization", authorization_);
  request.headers.add("Content-Type", "application/json");
  const auto client = client_;  // a new start may replace it meanwhile
  co_return co_await client->send(std::move(request));
}

Task<Result<json::object>> Daemon::call(std::string name, json::object parameters,
                                        milliseconds deadline) {
  CO_CHECK(co_await start());
  http::ClientRequest request{.method = http::Method::post,
                              .target = "/" + name,
                              .headers = {},
                              .body = json::serialize(parameters),
                              .deadline = deadline,
                              // rclone closes a kept connection now and then; each of these may
                              // be asked again, but a mount that is there already is an error.
                              .idempotent = name != "mount/mount"};
  CO_TRY(response, co_await send(std::move(request)));
  if (response.status != 200) {
    Error error = to_error(response);
    error.internal = name + ": " + error.internal;
    co_return std::unexpected(std::move(error));
  }
  CO_TRY(parsed, json::parse(response.body));
  if (!parsed.is_object()) co_return fail(Code::internal, "rclone's answer is no object.", name);
  co_return std::move(parsed.get_object());
}

Task<Result<std::string>> Daemon::read(std::string bucket_and_key, std::int64_t offset,
                                       std::size_t bytes_max, milliseconds deadline) {
  CO_CHECK(co_await start());
  const auto slash = bucket_and_key.find('/');
  http::ClientRequest request{
      .method = http::Method::get,
      .target = "/%5Bs3:" + percent_encoded(bucket_and_key.substr(0, slash)) + "%5D" +
                percent_encoded(bucket_and_key.substr(slash)),
      .headers = {},
      .body = {},
      .deadline = deadline,
      .idempotent = true};
  const auto last = offset + static_cast<std::int64_t>(bytes_max) - 1;
  request.headers.add("Range", fmt::format("bytes={}-{}", offset, last));
  CO_TRY(response, co_await send(std::move(request)));
  // rclone 1.60 answers 404 to what begins behind the end, but names the range of what there is.
  const bool behind_the_end = response.status != 206 && response.headers.has("Content-Range");
  if (behind_the_end) co_return std::string();
  if (response.status != 200 && response.status != 206) {
    co_return std::unexpected(to_error(response));
  }
  // An empty object is answered as a whole.
  if (response.body.size() > bytes_max) response.body.resize(bytes_max);
  co_return std::move(response.body);
}

}  // namespace matrx::rclone
