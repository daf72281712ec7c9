#pragma once
// Sandboxes as Docker containers, over the Engine API 1.41 (Docker 20.10 or newer).

#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "adapters/docker/egress_gate.hpp"
#include "adapters/docker/firewall.hpp"
#include "adapters/docker/network_form.hpp"
#include "http/client.hpp"
#include "ports/runtime.hpp"

namespace matrx {

// automatic: put up where that is possible, with a warning where it is not. required: without it
// no sandbox is made. external: somebody else puts it up, and answers for it.
enum class FirewallMode { off, external, automatic, required };

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
  std::int64_t memory_reserve_bytes = 0;    // left on this host, or no sandbox is made; 0: whatever
  std::string meminfo_path = "/proc/meminfo";
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
  Task<Result<void>> look_after() override;
  const Walls& walls() const override { return walls_; }
  std::optional<double> cpus() const override { return cpus_; }
  Result<void> check_room() const override;
  Task<Result<std::string>> create(const ContainerSpec& spec) override;
  Task<Result<void>> start(const SandboxId& id) override;
  Task<Result<void>> pause(const SandboxId& id) override;
  Task<Result<void>> resume(const SandboxId& id) override;
  Task<Result<std::string>> logs(const SandboxId& id, int lines, std::size_t bytes_max) override;
  Task<Result<void>> remove(const SandboxId& id) override;
  Task<Result<std::optional<Container>>> inspect(const SandboxId& id) override;
  Task<Result<std::vector<Container>>> list() override;
  std::string engine_folder() const override { return engine_folder_; }
  Task<Result<std::string>> layer_folder(const SandboxId& id) override;
  Task<Result<void>> watch(std::function<void()> connected,
                           std::function<void(ContainerEvent)> on_event) override;

 private:
  Task<Result<void>> set_state(const SandboxId& id, const char* verb, ContainerState wanted);
  DockerRuntime(DockerSettings settings, http::Connector connector);

  Task<Result<http::ClientResponse>> call(http::Method method, std::string target,
                                          std::string body = {},
                                          milliseconds deadline = std::chrono::seconds(30));
  std::string unix_socket() const;  // the engine's; empty: it is not on this host
  Task<void> learn_about_engine();

  // Of docker_walls.cpp. invalid: a network of that name is not as it must be.
  bool puts_up_rules() const {
    return settings_.firewall == FirewallMode::automatic ||
           settings_.firewall == FirewallMode::required;
  }
  Task<Result<void>> ensure_guarded_network();
  Task<Result<void>> ensure_network(docker::NetworkKind kind);
  Task<Result<void>> remove_wrong_network(std::string name, docker::NetworkKind kind,
                                          std::string shown);
  Task<Result<docker::Bridge>> find_bridge(std::string network);
  Task<Result<void>> ensure_firewall();
  Task<Result<void>> ensure_firewall_or_warn();
  void note_walls(const Result<void>& up);
  void note_repair(std::string_view what);
  Task<Result<void>> ensure_allowlist();
  Task<Result<void>> open_allowlist();
  Task<Result<void>> reopen_allowlist();
  Task<Result<void>> let_out(const SandboxId& id);
  Task<Result<std::vector<docker::ListedSandbox>>> listed();
  Task<Result<void>> remove_network(std::string name);

  DockerSettings settings_;
  http::Client client_;
  Walls walls_;
  docker::KeptRules kept_;  // what of them the kernel had when they were put up
  std::optional<double> cpus_;
  std::string engine_folder_;
  bool is_reopening_due_ = false;              // of the allowlist
  std::set<std::string, std::less<>> listed_;  // sandboxes with an allowlist
  docker::EgressGate gate_;
  asio::thread_pool files_{1};
};

}  // namespace matrx
