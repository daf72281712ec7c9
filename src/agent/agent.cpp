#include "agent/agent.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "agent/access.hpp"
#include "agent/connect_call.hpp"
#include "agent/init_message.hpp"
#include "agent/limits.hpp"
#include "agent/ports.hpp"
#include "async/as_tuple.hpp"
#include "base/log.hpp"
#include "wire/guest_messages.hpp"

namespace matrx::agent {
namespace {

constexpr std::string_view kProcessService = "/process.Process/";
constexpr std::string_view kFilesystemService = "/filesystem.Filesystem/";

// Of scripts on any page: who may call is decided by the token.
void allow_browsers(http::Response& response) {
  response.headers.set("Access-Control-Allow-Origin", "*");
  response.headers.set("Access-Control-Allow-Methods", "*");
  response.headers.set("Access-Control-Allow-Headers", "*");
  response.headers.set("Access-Control-Expose-Headers", "*");
}

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now();
  return std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
}

http::Response json_response(std::string body) {
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

}  // namespace

Agent::Agent(Executor executor, AgentSettings settings)
    : executor_(executor),
      settings_(std::move(settings)),
      sandbox_{.environment = settings_.environment},
      trees_(executor),
      shell_(sandbox_),
      exec_(executor, trees_, users_, sandbox_, shell_),
      processes_(executor, trees_, users_, sandbox_, shell_),
      process_service_(processes_),
      filesystem_service_(executor, work_, users_, sandbox_),
      files_service_(work_, users_, sandbox_),
      archive_service_(work_, users_, sandbox_),
      tunnels_(executor),
      metrics_(std::chrono::steady_clock::now()),
      relay_(settings_.sandbox_id),
      server_(executor, [this](http::Request& request) { return handle(request); }),
      loopback_(executor,
                [this](http::Request& request) { return relay_.handle_loopback(request); }),
      tasks_(executor) {}

Task<Result<void>> Agent::run() {
  // What a killed supervisor leaves behind comes to us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  CO_CHECK(server_.listen_unix(settings_.socket, 0600));
  const auto relayed =
      loopback_.listen_tcp("127.0.0.1", static_cast<std::uint16_t>(settings_.relay_port));
  if (!relayed) {
    log::warning("no signals from programs in the sandbox", {{"error", relayed.error().message}});
  }
  TaskGroup watchers(executor_);
  watchers.spawn("children", watch_children());
  watchers.spawn("end", watch_end());
  if (relayed) tasks_.spawn("loopback", loopback_.run());
  co_await server_.run();
  co_await tasks_.join();
  watchers.cancel();
  co_await watchers.join();
  co_return Result<void>();
}

Task<http::Response> Agent::handle(http::Request& request) {
  http::Response response;
  if (request.method == http::Method::options) {
    response.status = 204;
  } else {
    response = co_await route(request);
  }
  if (request.headers.has("Origin")) allow_browsers(response);
  co_return response;
}

Task<http::Response> Agent::route(http::Request& request) {
  using http::Method;
  const std::string& path = request.path;
  const bool get = request.method == Method::get || request.method == Method::head;
  if (get && path == "/health") co_return http::Response{.status = 204};
  if (path == "/files") co_return co_await handle_files(request);
  // Our own routes are the orchestrator's, which no proxy leads to.
  const bool ours = path.starts_with("/matrx/") || path == "/init";
  if (!ours && !has_token(request, sandbox_.access_token)) {
    co_return connect_error({Code::unauthenticated, "An access token is needed.", {}});
  }
  if (get && path == "/metrics") co_return co_await handle_metrics();
  if (get && path == "/envs") {
    json::object variables;
    for (const auto& [name, value] : sandbox_.variables) variables[name] = value;
    co_return json_answer(variables);
  }
  if (get && path == "/matrx/ports") co_return co_await handle_ports();
  if (get && path == "/matrx/tunnel") co_return co_await tunnels_.handle(request);
  if ((request.method == Method::get || request.method == Method::put) &&
      path == "/matrx/archive") {
    co_return co_await archive_service_.handle(request);
  }
  if (request.method == Method::post) co_return co_await route_post(request);
  co_return connect_error({Code::not_found, "There is no such path.", {}});
}

Task<http::Response> Agent::route_post(http::Request& request) {
  const std::string_view path = request.path;
  if (path == "/matrx/exec") co_return co_await handle_exec(request);
  if (path == "/matrx/shutdown") co_return co_await handle_shutdown(request);
  if (path == "/matrx/signals") co_return relay_.subscribe();
  if (path == "/matrx/signals/reply") co_return co_await relay_.handle_reply(request);
  if (path == "/init") co_return co_await handle_init(request);
  if (path.starts_with(kProcessService)) {
    if (ending_) co_return connect_error({Code::unavailable, "The sandbox is ending.", {}});
    co_return co_await process_service_.handle(path.substr(kProcessService.size()), request);
  }
  if (path.starts_with(kFilesystemService)) {
    co_return co_await filesystem_service_.handle(path.substr(kFilesystemService.size()), request);
  }
  co_return connect_error({Code::not_found, "There is no such path.", {}});
}

Task<http::Response> Agent::handle_files(http::Request& request) {
  using http::Method;
  const bool known = request.method == Method::get || request.method == Method::head ||
                     request.method == Method::post;
  if (!known) co_return plain_error(405, "This path takes GET and POST.");
  const auto allowed = check_file_access(request, sandbox_.access_token, unix_seconds());
  if (!allowed) co_return plain_error(401, allowed.error().message);
  co_return co_await files_service_.handle(request);
}

Task<http::Response> Agent::handle_init(http::Request& request) {
  const auto body = co_await request.body_reader->read_all(kRpcBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  const auto message = read_init(*body);
  if (!message) co_return connect_error(message.error());
  apply_init(*message, settings_.environment, sandbox_);
  co_return http::Response{.status = 204};
}

Task<http::Response> Agent::handle_ports() {
  auto look = []() -> FileResult<json::object> { return describe_listeners(find_listeners()); };
  const auto ports = co_await work_.run(std::move(look));
  if (!ports) co_return connect_error(ports.error());
  co_return json_answer(*ports);
}

Task<http::Response> Agent::handle_metrics() {
  auto read = []() -> FileResult<Usage> { return read_usage(); };
  const auto usage = co_await work_.run(std::move(read));
  if (!usage) co_return connect_error(usage.error());
  co_return json_answer(
      metrics_.describe(*usage, std::chrono::steady_clock::now(), unix_seconds()));
}

Task<http::Response> Agent::handle_exec(http::Request& request) {
  const auto body = co_await request.body_reader->read_all(kExecBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  auto spec = guest::read_exec_request(*body);
  if (!spec) co_return connect_error(spec.error());
  spec->output_bytes_max = std::min(spec->output_bytes_max, agent::kExecOutputBytesMax);
  spec->timeout = std::min<milliseconds>(spec->timeout, kExecTimeoutMax);
  if (ending_) co_return connect_error({Code::unavailable, "The sandbox is ending.", {}});
  const auto outcome = co_await exec_.run(*std::move(spec));
  if (!outcome) co_return connect_error(outcome.error());
  co_return json_response(guest::write_exec_answer(*outcome));
}

Task<http::Response> Agent::handle_shutdown(http::Request& request) {
  const auto body = co_await request.body_reader->read_all(kSignalBodyBytesMax);
  if (!body) co_return connect_error(body.error());
  const auto grace = guest::read_shutdown_request(*body);
  if (!grace) co_return connect_error(grace.error());
  co_await end(std::min<milliseconds>(*grace, kShutdownGraceMax));
  co_return json_response("{}");
}

Task<void> Agent::end(milliseconds grace) {
  ending_ = true;
  co_await trees_.end_all(grace);
  stop_servers();
}

// Requests under way are answered before the servers' run() returns.
void Agent::stop_servers() {
  relay_.stop();
  tunnels_.stop();
  server_.stop();
  loopback_.stop();
}

Task<void> Agent::watch_children() {
  asio::signal_set signals(executor_, SIGCHLD);
  for (;;) {
    co_await signals.async_wait(kAsTuple);
    trees_.reap();
  }
}

Task<void> Agent::watch_end() {
  asio::signal_set signals(executor_, SIGTERM, SIGINT);
  const auto [ec, signal] = co_await signals.async_wait(kAsTuple);
  if (!ec) co_await end(kTermGrace);
}

}  // namespace matrx::agent
