#include "adapters/rclone/rclone_daemon.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "adapters/rclone/store_errors.hpp"
#include "async/race.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

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

Error to_error(const http::ClientResponse& response) {
  const auto parsed = json::parse(response.body);
  const json::object* root = parsed ? parsed->if_object() : nullptr;
  return store_error(response.status,
                     std::string(root ? json::text_at(*root, "error") : response.body));
}

std::unexpected<Error> cut_off(std::string internal) {
  return fail(Code::unavailable, "The way to the object store was cut off.", std::move(internal));
}

std::unexpected<Error> no_answer(std::string internal) {
  return fail(Code::timeout, "The object store does not answer in time.", std::move(internal));
}

// Our own rclone did not answer, whatever became of the store.
std::unexpected<Error> lost(const std::string& call, const Error& error) {
  std::string words = call + ": " + error.message + " " + error.internal;
  return error.code == Code::timeout ? no_answer(std::move(words)) : cut_off(std::move(words));
}

// Whatever changes while a transfer goes on.
std::int64_t moved_by(const json::object& stats) {
  std::int64_t sum = 0;
  for (const char* name : {"bytes", "transfers", "checks", "deletes", "listed"}) {
    sum += json::integer_at(stats, name);
  }
  return sum;
}

}  // namespace

Daemon::Daemon(DaemonSettings settings, Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

Daemon::~Daemon() { process_.end(kEndPatience); }

bool Daemon::is_running() {
  const int pid = process_.pid();
  if (process_.is_running()) return true;
  if (pid != 0) log::warning("rclone has ended", {{"pid", pid}, {"status", process_.status()}});
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

bool Daemon::is_installed() const { return !find_program(settings_.program).empty(); }

Result<void> Daemon::spawn() {
  const std::string program = find_program(settings_.program);
  if (program.empty()) {
    return fail(Code::unavailable, kNotInstalled);
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
                                        cache_folder(),
                                        "--config",
                                        configuration};
  // AWS_CA_BUNDLE: rclone 1.60 does not start with it.
  std::vector<std::string> environment = child_environment(
      {"RCLONE_", "AWS_CA_BUNDLE="},
      {"RCLONE_RC_USER=" + std::string(kUser), "RCLONE_RC_PASS=" + password,
       "RCLONE_CONTIMEOUT=10s", "RCLONE_TIMEOUT=30s", "RCLONE_LOW_LEVEL_RETRIES=2",
       "RCLONE_RETRIES=1", "RCLONE_BUFFER_SIZE=1M", "RCLONE_S3_UPLOAD_CONCURRENCY=2",
       "RCLONE_S3_CHUNK_SIZE=16M", "RCLONE_LOG_LEVEL=ERROR", "RCLONE_USE_JSON_LOG=true"});
  CHECK_OK(process_.start(std::move(arguments), std::move(environment), complaints_file()));
  complaints_read_ = 0;
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

std::string Daemon::complaints_file() const {
  return (fs::path(settings_.folder) / "rclone.errors").string();
}

std::vector<std::string> Daemon::take_complaints() {
  std::ifstream file(complaints_file(), std::ios::binary);
  file.seekg(static_cast<std::streamoff>(complaints_read_));
  std::vector<std::string> lines;
  // Without its line break a line is still being written.
  for (std::string line; std::getline(file, line) && !file.eof();) {
    complaints_read_ += line.size() + 1;
    lines.push_back(std::move(line));
  }
  limit_complaints();
  return lines;
}

void Daemon::limit_complaints() {
  struct stat info{};
  const std::string path = complaints_file();
  if (::stat(path.c_str(), &info) != 0) return;
  if (info.st_size <= static_cast<off_t>(kMounterWordsBytesMax)) return;
  if (::truncate(path.c_str(), 0) == 0) complaints_read_ = 0;
}

Task<Result<void>> Daemon::start() {
  const auto slot = co_await starting_.take();
  if (is_running()) co_return Result<void>();
  // One that ends again and again must not cost a start for each call.
  if (clock_.uptime() < next_start_at_) {
    co_return cut_off("rclone has just ended");
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
  CO_TRY(text, co_await ask(name, std::move(parameters), deadline));
  CO_TRY(parsed, json::parse(text));
  if (!parsed.is_object()) co_return fail(Code::internal, "rclone's answer is no object.", name);
  co_return std::move(parsed.get_object());
}

Task<Result<std::string>> Daemon::ask(std::string name, json::object parameters,
                                      milliseconds deadline) {
  CO_CHECK(co_await start());
  limit_complaints();
  http::ClientRequest request{.method = http::Method::post,
                              .target = "/" + name,
                              .headers = {},
                              .body = json::serialize(parameters),
                              .deadline = deadline,
                              // rclone closes a kept connection now and then; each of these may
                              // be asked again, but a mount that is there already is an error.
                              .idempotent = name != "mount/mount"};
  auto response = co_await send(std::move(request));
  if (!response) co_return lost(name, response.error());
  if (response->status != 200) {
    Error error = to_error(*response);
    error.internal = name + ": " + error.internal;
    co_return std::unexpected(std::move(error));
  }
  co_return std::move(response->body);
}

Task<Result<json::object>> Daemon::transfer(std::string name, json::object parameters) {
  const std::string group = "matrx/" + std::to_string(++transfers_);
  parameters["_group"] = group;
  auto done = co_await unless_first(wait_for_standstill(group),
                                    call(name, std::move(parameters), kObjectTransferMax));
  if (done) co_return *std::move(done);
  // rclone gives up what nobody listens to any more.
  co_return no_answer(name + ": nothing has moved for too long");
}

Task<void> Daemon::wait_for_standstill(std::string group) {
  std::int64_t moved = -1;
  milliseconds moved_at = clock_.uptime();
  while (clock_.uptime() - moved_at < kObjectStandstill) {
    co_await clock_.sleep(kObjectProgressPoll);
    json::object parameters{{"group", group}};
    const auto stats = co_await call("core/stats", std::move(parameters), kObjectCallDeadline);
    if (!stats || moved_by(*stats) == moved) continue;
    moved = moved_by(*stats);
    moved_at = clock_.uptime();
  }
}

Task<Result<std::string>> Daemon::read(std::string bucket_and_key, std::int64_t offset,
                                       std::size_t bytes_max, milliseconds deadline) {
  CO_CHECK(co_await start());
  const auto slash = bucket_and_key.find('/');
  http::ClientRequest request{
      .method = http::Method::get,
      .target = "/%5Bs3:" + percent_encode(bucket_and_key.substr(0, slash)) + "%5D" +
                percent_encode(bucket_and_key.substr(slash), "/"),
      .headers = {},
      .body = {},
      .deadline = deadline,
      .idempotent = true};
  const auto last = offset + static_cast<std::int64_t>(bytes_max) - 1;
  request.headers.add("Range", fmt::format("bytes={}-{}", offset, last));
  auto answer = co_await send(std::move(request));
  if (!answer) co_return lost("read", answer.error());
  http::ClientResponse& response = *answer;
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
