// Networks and rules that keep sandboxes from the host, from each other, and from what is around.

#include <fmt/format.h>

#include "adapters/docker/docker_messages.hpp"
#include "adapters/docker/docker_runtime.hpp"
#include "adapters/docker/engine_answer.hpp"
#include "async/offload.hpp"
#include "base/log.hpp"

namespace matrx {

using docker::NetworkKind;
using http::Method;

// Rules are for a bridge: another network needs them anew.
Task<Result<void>> DockerRuntime::ensure_guarded_network() {
  CO_CHECK(co_await ensure_network(NetworkKind::open));
  co_return co_await ensure_firewall_or_warn();
}

Task<Result<void>> DockerRuntime::look_after() {
  if (!puts_up_rules()) co_return Result<void>();
  const auto up = co_await ensure_firewall_or_warn();
  auto looked = co_await gate_.look_after([this] { return listed(); });
  if (looked && *looked) note_repair("of sandboxes with an allowlist");
  if (!looked) {
    ++walls_.failures;
    log::warning("sandboxes with an allowlist reach nothing new",
                 {{"error", looked.error().message}, {"internal", looked.error().internal}});
  }
  co_return up;
}

Task<Result<void>> DockerRuntime::ensure_firewall_or_warn() {
  const auto up = co_await ensure_firewall();
  if (up || settings_.firewall == FirewallMode::required) co_return up;
  co_return Result<void>();  // told by note_walls()
}

Task<Result<void>> DockerRuntime::ensure_firewall() {
  if (!puts_up_rules()) co_return Result<void>();
  auto bridge = co_await find_bridge(settings_.network);
  if (!bridge) {
    // An engine that is away says nothing of rules that stand.
    const Code code = bridge.error().code;
    const bool is_away = code == Code::unavailable || code == Code::timeout;
    if (!is_away || walls_.state != Walls::State::up) note_walls(std::unexpected(bridge.error()));
    co_return std::unexpected(bridge.error());
  }
  docker::FirewallPlan plan{.installation = settings_.installation,
                            .bridge = std::move(bridge->interface),
                            .nameservers = {},
                            .allowed = settings_.egress_allowed};
  auto put_up = [plan = std::move(plan), before = kept_,
                 folder = settings_.sandboxes_dir]() mutable {
    plan.nameservers = docker::host_nameservers();
    return docker::keep_up_firewall(plan, before, folder.parent_path());
  };
  auto kept = co_await offload(files_, std::move(put_up));
  if (kept && !kept->has_limits && kept_.has_limits) {
    log::warning("connections of sandboxes are not limited: iptables has no connlimit here");
  }
  if (kept) kept_ = *kept;
  const Result<void> up = kept ? Result<void>() : std::unexpected(kept.error());
  note_walls(up);
  if (kept && kept->was_missing) note_repair("of all sandboxes");
  co_return up;
}

// Told where it changes, not at each look.
void DockerRuntime::note_walls(const Result<void>& up) {
  const bool was_up = walls_.state == Walls::State::up;
  const bool is_news = up ? !was_up : was_up || walls_.failures == 0;
  walls_.state = up ? Walls::State::up : Walls::State::down;
  walls_.problem = up ? "" : up.error().message;
  if (!up) ++walls_.failures;
  if (!is_news || (up && walls_.failures == 0)) return;
  if (up) {
    log::info("the firewall is up");
    return;
  }
  log::warning("no firewall: sandboxes reach this host and the private networks around it",
               {{"error", up.error().message},
                {"internal", up.error().internal},
                {"new_sandboxes", walls_.is_required ? "refused" : "made"}});
}

void DockerRuntime::note_repair(std::string_view what) {
  ++walls_.repairs;
  log::warning("rules of the firewall were gone, and have been put up again", {{"rules", what}});
}

Task<Result<docker::Bridge>> DockerRuntime::find_bridge(std::string network) {
  CO_TRY(found, co_await call(Method::get, "/networks/" + network));
  if (!docker::succeeded(found)) {
    co_return std::unexpected(docker::to_error(found, "show the network"));
  }
  co_return docker::read_bridge(found.body);
}

Task<Result<void>> DockerRuntime::ensure_network(NetworkKind kind) {
  const std::string name =
      kind == NetworkKind::open ? settings_.network : docker::allowlist_network(settings_);
  CO_TRY(found, co_await call(Method::get, "/networks/" + name));
  if (docker::succeeded(found)) {
    if (docker::network_problem(found.body, settings_.installation, kind).empty()) {
      co_return Result<void>();
    }
    CO_CHECK(co_await remove_wrong_network(name, kind, std::move(found.body)));
  }
  CO_TRY(made, co_await call(Method::post, "/networks/create",
                             docker::network_body(name, settings_.installation, kind)));
  // 409: somebody else has just made it.
  if (docker::succeeded(made) || made.status == 409) co_return Result<void>();
  Error error = docker::to_error(made, "make the network " + name);
  error.code = Code::unavailable;
  if (error.internal.contains("address pool")) {
    error.message +=
        " Docker has no free range of addresses: remove networks that nothing uses, or give it "
        "more of them ('default-address-pools' in /etc/docker/daemon.json).";
  }
  co_return std::unexpected(std::move(error));
}

// One that an earlier release has made otherwise, with nothing on it, is made anew. The engine
// refuses to remove what is in use.
Task<Result<void>> DockerRuntime::remove_wrong_network(std::string name, NetworkKind kind,
                                                       std::string shown) {
  if (docker::read_network_owner(shown) == settings_.installation) {
    CO_TRY(removed, co_await call(Method::del, "/networks/" + name));
    if (docker::succeeded(removed) || removed.status == 404) co_return Result<void>();
  }
  co_return fail(
      Code::invalid,
      fmt::format("The network {0} {1}: remove it ('docker network rm {0}', when no container is "
                  "on it any more) to have it made anew, or name another one in "
                  "MATRX_DOCKER_NETWORK.",
                  name, docker::network_problem(shown, settings_.installation, kind)));
}

// Network and rules of sandboxes with an allowlist: made when the first one comes, and again where
// the network is another one than the rules hang on.
Task<Result<void>> DockerRuntime::ensure_allowlist() {
  const auto bridge = co_await find_bridge(docker::allowlist_network(settings_));
  if (bridge && gate_.is_open_for(*bridge)) co_return Result<void>();
  co_return co_await open_allowlist();
}

Task<Result<void>> DockerRuntime::open_allowlist() {
  if (!puts_up_rules()) {
    co_return fail(Code::unavailable,
                   fmt::format("An allowlist needs rules of the orchestrator's own, and "
                               "MATRX_FIREWALL is {}.",
                               settings_.firewall == FirewallMode::off ? "off" : "external"));
  }
  CO_CHECK(co_await ensure_network(NetworkKind::allowlist));
  CO_TRY(bridge, co_await find_bridge(docker::allowlist_network(settings_)));
  docker::AllowlistPlan plan{.installation = settings_.installation,
                             .bridge = std::move(bridge),
                             .allowed = settings_.egress_allowed};
  co_return co_await gate_.open(std::move(plan), [this] { return listed(); });
}

// Where there have been such sandboxes: after a restart of ours, or of the engine.
Task<Result<void>> DockerRuntime::reopen_allowlist() {
  is_reopening_due_ = false;
  if (!puts_up_rules()) co_return Result<void>();
  const auto found =
      co_await call(Method::get, "/networks/" + docker::allowlist_network(settings_));
  if (found && found->status == 404) co_return Result<void>();
  const bool is_theirs = found && docker::succeeded(*found) &&
                         docker::read_network_owner(found->body) != settings_.installation;
  if (is_theirs) co_return Result<void>();  // of another installation beside us
  auto opened = co_await open_allowlist();
  if (opened) co_return opened;
  is_reopening_due_ = true;  // with the next look at the containers
  log::warning("sandboxes with an allowlist reach nothing new",
               {{"error", opened.error().message}, {"internal", opened.error().internal}});
  co_return opened;
}

Task<Result<std::vector<docker::ListedSandbox>>> DockerRuntime::listed() {
  CO_TRY(response, co_await call(Method::get, "/containers/json?filters=" +
                                                  docker::listed_filter(settings_.installation)));
  if (!docker::succeeded(response)) {
    co_return std::unexpected(docker::to_error(response, "list the containers"));
  }
  CO_TRY(sandboxes, docker::read_listed(response.body, docker::allowlist_network(settings_)));
  for (const auto& sandbox : sandboxes) listed_.insert(sandbox.id.text());
  co_return std::move(sandboxes);
}

// The engine gives a container its address at its start.
Task<Result<void>> DockerRuntime::let_out(const SandboxId& id) {
  CO_TRY(sandboxes, co_await listed());
  for (auto& sandbox : sandboxes) {
    if (sandbox.id == id) co_return co_await gate_.let_out(std::move(sandbox));
  }
  co_return fail(Code::not_found, "The container is gone.");
}

Task<Result<void>> DockerRuntime::take_down() {
  CO_TRY(containers, co_await list());
  if (!containers.empty()) {
    co_return fail(Code::conflict,
                   fmt::format("This installation still has {} sandboxes, which its rules guard: "
                               "destroy them first.",
                               containers.size()));
  }
  auto take_down = [installation = settings_.installation,
                    folder = settings_.sandboxes_dir.parent_path()] {
    return docker::take_down_firewall(installation, folder);
  };
  CO_CHECK(co_await offload(files_, std::move(take_down)));
  CO_CHECK(co_await remove_network(docker::allowlist_network(settings_)));
  co_return co_await remove_network(settings_.network);
}

// Only ours: several installations may share one by its name.
Task<Result<void>> DockerRuntime::remove_network(std::string name) {
  CO_TRY(found, co_await call(Method::get, "/networks/" + name));
  if (found.status == 404) co_return Result<void>();
  if (!docker::succeeded(found)) {
    co_return std::unexpected(docker::to_error(found, "show the network"));
  }
  if (docker::read_network_owner(found.body) != settings_.installation) co_return Result<void>();
  CO_TRY(removed, co_await call(Method::del, "/networks/" + name));
  if (docker::succeeded(removed) || removed.status == 404) co_return Result<void>();
  co_return std::unexpected(docker::to_error(removed, "remove the network " + name));
}

}  // namespace matrx
