#include "adapters/docker/docker_runtime.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "adapters/docker/docker_messages.hpp"
#include "adapters/docker/engine_answer.hpp"
#include "adapters/docker/run_folder.hpp"
#include "async/offload.hpp"
#include "base/kernel_file.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "model/home_tree.hpp"

namespace matrx {
namespace {

using docker::succeeded;
using docker::to_error;
using http::ClientResponse;
using http::Method;

constexpr const char* kApi = "/v1.41";
constexpr std::size_t kEventLineBytesMax = 64 * 1024;

// A network that is not as it must be stops a start; a request is answered "not now".
Result<void> not_at_the_start(Result<void> result) {
  if (!result && result.error().code == Code::invalid) result.error().code = Code::unavailable;
  return result;
}

struct Place {
  std::string host, port;
};

std::optional<Place> parse_tcp(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  return Place{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

Result<http::Connector> make_connector(const DockerSettings& settings) {
  const std::string_view host = settings.host;
  if (host.starts_with("unix://")) {
    return http::unix_connector(std::string(host.substr(7)));
  }
  if (host.starts_with("tcp://")) {
    const auto place = parse_tcp(host.substr(6));
    if (place && !settings.tls_verify) return http::tcp_connector(place->host, place->port);
    if (place) {
      const std::string& folder = settings.cert_path;
      return http::tls_connector(place->host, place->port,
                                 {.ca = folder + "/ca.pem",
                                  .certificate = folder + "/cert.pem",
                                  .key = folder + "/key.pem"});
    }
  }
  return fail(Code::invalid, "DOCKER_HOST is '" + settings.host +
                                 "'; it takes unix:///path/to/docker.sock or tcp://host:port");
}

}  // namespace

Result<std::unique_ptr<DockerRuntime>> DockerRuntime::make(DockerSettings settings) {
  TRY(connector, make_connector(settings));
  return std::unique_ptr<DockerRuntime>(
      new DockerRuntime(std::move(settings), std::move(connector)));
}

DockerRuntime::DockerRuntime(DockerSettings settings, http::Connector connector)
    : settings_(std::move(settings)),
      client_(std::move(connector), {.name = "The container engine",
                                     .host = "docker",
                                     .connections_max = kDockerConnectionsMax,
                                     .idle_max = kDockerConnectionsMax,
                                     .answer_bytes_max = kDockerAnswerBytesMax}),
      gate_(settings_.sandboxes_dir.parent_path() / "egress") {
  if (!puts_up_rules()) return;
  walls_ = {.state = Walls::State::down,
            .is_required = settings_.firewall == FirewallMode::required,
            .problem = "The firewall has not been put up yet."};
}

Task<Result<ClientResponse>> DockerRuntime::call(Method method, std::string target,
                                                 std::string body, milliseconds deadline) {
  http::ClientRequest request{.method = method,
                              .target = kApi + std::move(target),
                              .headers = {},
                              .body = std::move(body),
                              .deadline = deadline,
                              .idempotent = true};  // each step may be repeated: Runtime's promise
  if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
  return client_.send(std::move(request));
}

std::string DockerRuntime::unix_socket() const {
  constexpr std::string_view kScheme = "unix://";
  return settings_.host.starts_with(kScheme) ? settings_.host.substr(kScheme.size()) : "";
}

Task<Result<void>> DockerRuntime::ping() {
  CO_TRY(response, co_await call(Method::get, "/_ping"));
  if (!succeeded(response)) co_return std::unexpected(to_error(response, "answer"));
  co_return Result<void>();
}

Task<Result<void>> DockerRuntime::prepare() {
  std::error_code ec;
  std::filesystem::create_directories(settings_.sandboxes_dir, ec);
  if (ec) {
    co_return fail(Code::unavailable, "The folder of the sandboxes cannot be made.",
                   settings_.sandboxes_dir.string() + ": " + ec.message());
  }
  co_await learn_about_engine();
  // Waiting does not mend a network that is not as it must be.
  CO_CHECK(co_await ensure_network(docker::NetworkKind::open));
  // Both tell what keeps them; creates are refused where it matters, and what lives goes on.
  (void)co_await ensure_firewall_or_warn();
  (void)co_await reopen_allowlist();
  co_return Result<void>();
}

Result<void> DockerRuntime::check_room() const {
  constexpr std::size_t kBytesMax = 64 * 1024;
  const bool is_here = settings_.host.starts_with("unix://");
  if (settings_.memory_reserve_bytes <= 0 || !is_here) return {};
  const std::string meminfo = read_kernel_text(settings_.meminfo_path, kBytesMax);
  const auto left = docker::read_available_memory(meminfo);
  if (!left || *left >= settings_.memory_reserve_bytes) return {};
  constexpr std::int64_t kMiB = 1024 * 1024;
  return fail(Code::unavailable,
              "This host has too little memory left for one more sandbox; try again later.",
              fmt::format("{} MiB are left; MATRX_HOST_MEMORY_RESERVE is {} MiB", *left / kMiB,
                          settings_.memory_reserve_bytes / kMiB));
}

// Of an engine on another host its folder says nothing of this one's disks.
Task<void> DockerRuntime::learn_about_engine() {
  const auto info = co_await call(Method::get, "/info");
  if (!info || !succeeded(*info)) co_return;
  cpus_ = docker::read_cpus(info->body);
  if (!unix_socket().empty()) engine_folder_ = docker::read_root_folder(info->body);
}

Task<Result<std::string>> DockerRuntime::layer_folder(const SandboxId& id) {
  if (engine_folder_.empty()) co_return std::string();
  CO_TRY(response,
         co_await call(Method::get, "/containers/" + docker::container_name(id) + "/json"));
  if (!succeeded(response)) co_return std::string();
  co_return docker::read_layer_folder(response.body);
}

Task<Result<std::string>> DockerRuntime::create(const ContainerSpec& spec) {
  const bool is_listed = spec.egress == Egress::allowlist;
  if (is_listed) {
    CO_CHECK(not_at_the_start(co_await ensure_allowlist()));
    CO_CHECK(co_await gate_.wait_for_name_server());
    listed_.insert(spec.id.text());
  }
  if (walls_.is_required && walls_.state != Walls::State::up) {
    CO_CHECK(not_at_the_start(co_await ensure_firewall()));
  }
  // The agent makes its socket there as whom it runs.
  auto make = [folder = (settings_.sandboxes_dir / spec.id.text()).string(),
               owner = settings_.is_strict ? kAgentUid : ::geteuid(),
               socket = unix_socket()] { return docker::make_run_folder(folder, owner, socket); };
  if (auto made = co_await offload(files_, std::move(make)); !made) {
    co_return fail(Code::unavailable, made.error().message, made.error().internal);
  }
  const std::string name = docker::container_name(spec.id);
  auto body = docker::create_body(spec, settings_, settings_.installation,
                                  is_listed ? gate_.gateway() : "");
  CO_TRY(response, co_await call(Method::post, "/containers/create?name=" + name, std::move(body),
                                 kDockerCreateDeadline));
  if (succeeded(response)) co_return docker::read_created_id(response.body);
  if (response.status == 409) {
    CO_TRY(existing, co_await inspect(spec.id));
    if (existing) co_return existing->container_id;
  }
  Error error = to_error(response, "create the container");
  if (response.status == 404 && error.internal.find("image") != std::string::npos) {
    error.message = "The sandbox image '" + spec.image +
                    "' is missing on this host. Build it with 'make image', or set "
                    "MATRX_SANDBOX_IMAGE to one that exists.";
  } else if (response.status == 404) {
    co_await ensure_guarded_network();  // somebody has removed it; the next create will find it
  }
  co_return std::unexpected(std::move(error));
}

Task<Result<void>> DockerRuntime::start(const SandboxId& id) {
  const std::string target = "/containers/" + docker::container_name(id) + "/start";
  const bool is_listed = listed_.contains(id.text());
  if (is_listed) CO_CHECK(not_at_the_start(co_await ensure_allowlist()));
  CO_TRY(response, co_await call(Method::post, target, {}, kDockerCreateDeadline));
  Error error = to_error(response, "start the container");
  // The engine looks for the network only now. Somebody has removed it, or it could not be made.
  if (response.status == 404 && error.internal.contains("network") && !is_listed) {
    CO_CHECK(not_at_the_start(co_await ensure_guarded_network()));
    CO_TRY(again, co_await call(Method::post, target, {}, kDockerCreateDeadline));
    response = std::move(again);
    error = to_error(response, "start the container");
  }
  if (succeeded(response) || response.status == 304) {  // 304: runs already
    if (is_listed) CO_CHECK(co_await let_out(id));
    co_return Result<void>();
  }
  // 400 and 500 carry why the first program could not be run; the public words stay ours.
  if (response.status == 400 || response.status == 500) error.code = Code::unavailable;
  co_return std::unexpected(std::move(error));
}

Task<Result<void>> DockerRuntime::pause(const SandboxId& id) {
  return set_state(id, "pause", ContainerState::paused);
}

Task<Result<void>> DockerRuntime::resume(const SandboxId& id) {
  return set_state(id, "unpause", ContainerState::running);
}

Task<Result<void>> DockerRuntime::set_state(const SandboxId& id, const char* verb,
                                            ContainerState wanted) {
  CO_TRY(response,
         co_await call(Method::post, "/containers/" + docker::container_name(id) + "/" + verb));
  if (succeeded(response)) co_return Result<void>();
  Error error = to_error(response, std::string(verb) + " the container");
  if (response.status != 409 && response.status != 500) co_return std::unexpected(std::move(error));
  // 409, of older engines 500: it is so already, or it is not running.
  CO_TRY(now, co_await inspect(id));
  if (!now) co_return fail(Code::not_found, "The container is gone.");
  if (now->state == wanted) co_return Result<void>();
  if (now->state == ContainerState::ended) {
    co_return fail(Code::conflict, "The container is not running.");
  }
  error.code = Code::unavailable;
  co_return std::unexpected(std::move(error));
}

Task<Result<std::string>> DockerRuntime::logs(const SandboxId& id, int lines,
                                              std::size_t bytes_max) {
  CO_TRY(response,
         co_await call(Method::get, "/containers/" + docker::container_name(id) +
                                        "/logs?stdout=1&stderr=1&tail=" + std::to_string(lines)));
  if (response.status == 404) co_return fail(Code::not_found, "The container is gone.");
  if (!succeeded(response)) co_return std::unexpected(to_error(response, "read the logs"));
  co_return docker::read_log_frames(response.body, bytes_max);
}

Task<Result<void>> DockerRuntime::remove(const SandboxId& id) {
  const std::string container = "/containers/" + docker::container_name(id);
  const bool is_listed = listed_.contains(id.text()) || gate_.knows(id);
  if (is_listed) co_await gate_.forget(id);
  CO_TRY(response,
         co_await call(Method::del, container + "?force=1&v=1", {}, kDockerCreateDeadline));
  // 404: gone. 409: its removal is under way; wait until the engine says it is over.
  if (response.status == 409) {
    CO_TRY(waited, co_await call(Method::post, container + "/wait?condition=removed"));
    if (!succeeded(waited) && waited.status != 404) {
      co_return std::unexpected(to_error(waited, "remove the container"));
    }
  } else if (!succeeded(response) && response.status != 404) {
    co_return std::unexpected(to_error(response, "remove the container"));
  }
  // Once more: who looked at the engine meanwhile has let it out again.
  if (is_listed) co_await gate_.forget(id);
  listed_.erase(id.text());
  auto clear = [folder = (settings_.sandboxes_dir / id.text()).string()] {
    return docker::remove_run_folder(folder);
  };
  const std::error_code ec = co_await offload(files_, std::move(clear));
  if (ec) log::warning("folder left behind", {{"sandbox_id", id.text()}, {"error", ec.message()}});
  co_return Result<void>();
}

Task<Result<std::optional<Container>>> DockerRuntime::inspect(const SandboxId& id) {
  CO_TRY(response,
         co_await call(Method::get, "/containers/" + docker::container_name(id) + "/json"));
  if (response.status == 404) co_return std::optional<Container>();
  if (!succeeded(response)) co_return std::unexpected(to_error(response, "show the container"));
  CO_TRY(container, docker::read_inspect(response.body));
  co_return std::optional<Container>(std::move(container));
}

Task<Result<std::vector<Container>>> DockerRuntime::list() {
  if (is_reopening_due_) (void)co_await reopen_allowlist();
  CO_TRY(response, co_await call(Method::get, "/containers/json?all=1&filters=" +
                                                  docker::label_filter(settings_.installation)));
  if (!succeeded(response)) co_return std::unexpected(to_error(response, "list the containers"));
  co_return docker::read_list(response.body);
}

Task<Result<void>> DockerRuntime::watch(std::function<void()> connected,
                                        std::function<void(ContainerEvent)> on_event) {
  // An engine that has started anew has rebuilt its own rules. Of the first time prepare() tells.
  if (walls_.state == Walls::State::up) (void)co_await look_after();
  http::ClientRequest request{.method = Method::get,
                              .target = std::string(kApi) + "/events?filters=" +
                                        docker::event_filter(settings_.installation),
                              .headers = {},
                              .body = {},
                              .deadline = kDockerDeadline};
  CO_TRY(stream, co_await client_.open(std::move(request)));
  if (stream->status() != 200) {
    co_return fail(Code::unavailable, "The container engine sends no events.",
                   std::to_string(stream->status()));
  }
  connected();
  std::string rest;
  for (;;) {
    CO_TRY(piece, co_await stream->read_some());
    if (piece.empty()) co_return fail(Code::unavailable, "The engine's event stream ended.");
    rest += piece;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      if (auto event = docker::read_event(std::string_view(rest).substr(0, end))) {
        on_event(*event);
      }
      rest.erase(0, end + 1);
    }
    if (rest.size() > kEventLineBytesMax) {
      co_return fail(Code::unavailable, "The engine sent an event without an end.");
    }
  }
}

}  // namespace matrx
