#pragma once
// Sandboxes as Docker containers, over the Engine API 1.41 (Docker 20.10 or newer).

#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "adapters/docker/egress_gate.hpp"
#include "http/client.hpp"
#include "ports/runtime.hpp"

namespace matrx {

// automatic: put up where that is possible, with a warning where it is not. required: without it
// no sandbox is made.
enum class FirewallMode { off, automatic, required };

struct DockerSettings {
  std::string installation;                          // label of every container that is ours
  std::string host = "unix:///var/run/docker.sock";  // DOCKER_HOST: unix://, tcp://
  bool tls_verify = false;                           // DOCKER_TLS_VERIFY
  std::string cert_path;                             // DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem
  std::string network = "matrx-sandboxes";
  std::string image;                    // named in the advice when it is missing
  std::filesystem::path sandboxes_dir;  // <dir>/<id>/run is mounted into each, beside the home
  std::filesystem::path agent_path;     // mounted read-only as the first program
  int relay_port = 49980;
  // No capability, no new rights, a read-only root, the agent as an ordinary user.
  bool is_strict = false;
  std::string oci_runtime;  // as the engine names it; empty: its default
  FirewallMode firewall = FirewallMode::off;
  std::vector<std::string> egress_allowed;  // CIDRs that sandboxes reach although they are private
};

// Networks, rules and chains on the host come and go with sandboxes, and stay for the next ones.
class DockerRuntime : public Runtime {
 public:
  // invalid: the host cannot be understood, or TLS files cannot be read.
  static Result<std::unique_ptr<DockerRuntime>> make(DockerSettings settings);
  ~DockerRuntime() override { files_.join(); }

  // Where sandboxes with an allowlist are let out. A docker::NameServer has to run on it.
  docker::EgressGate& egress_gate() { return gate_; }

  // Removes what the installation has put up on the host: rules, networks. conflict: it still has
  // sandboxes, which would be without their walls.
  Task<Result<void>> take_down();

  Task<Result<void>> prepare() override;
  Task<Result<void>> ping() override;
  Task<Result<std::string>> create(const ContainerSpec& spec) override;
  Task<Result<void>> start(const SandboxId& id) override;
  Task<Result<void>> pause(const SandboxId& id) override;
  Task<Result<void>> resume(const SandboxId& id) override;
  Task<Result<std::string>> logs(const SandboxId& id, int lines, std::size_t bytes_max) override;
  Task<Result<void>> remove(const SandboxId& id) override;
  Task<Result<std::optional<Container>>> inspect(const SandboxId& id) override;
  Task<Result<std::vector<Container>>> list() override;
  Task<Result<void>> watch(std::function<void()> connected,
                           std::function<void(ContainerEvent)> on_event) override;

 private:
  Task<Result<void>> set_state(const SandboxId& id, const char* verb, ContainerState wanted);
  DockerRuntime(DockerSettings settings, http::Connector connector);

  Task<Result<http::ClientResponse>> call(http::Method method, std::string target,
                                          std::string body = {},
                                          milliseconds deadline = std::chrono::seconds(30));
  Task<Result<void>> ensure_guarded_network();
  Task<Result<void>> ensure_network(std::string name);
  Task<Result<docker::Bridge>> find_bridge(std::string network);
  Task<Result<void>> ensure_firewall();
  Task<Result<void>> ensure_firewall_or_warn();
  Task<Result<void>> ensure_allowlist();
  Task<Result<void>> open_allowlist();
  Task<void> reopen_allowlist();
  Task<Result<void>> let_out(const SandboxId& id);
  Task<Result<std::vector<docker::ListedSandbox>>> listed();
  Task<Result<void>> remove_network(std::string name);

  DockerSettings settings_;
  http::Client client_;
  bool firewall_is_up_ = false;
  bool is_reopening_due_ = false;              // of the allowlist
  std::set<std::string, std::less<>> listed_;  // sandboxes with an allowlist
  docker::EgressGate gate_;
  asio::thread_pool files_{1};
};

}  // namespace matrx
