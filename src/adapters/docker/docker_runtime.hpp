#pragma once
// Sandboxes as Docker containers, over the Engine API 1.41 (Docker 20.10 or newer).

#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "http/client.hpp"
#include "ports/runtime.hpp"

namespace matrx {

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
};

class DockerRuntime : public Runtime {
 public:
  // invalid: the host cannot be understood, or TLS files cannot be read.
  static Result<std::unique_ptr<DockerRuntime>> make(DockerSettings settings);
  ~DockerRuntime() override { files_.join(); }

  Task<Result<void>> prepare() override;
  Task<Result<void>> ping() override;
  Task<Result<std::string>> create(const ContainerSpec& spec) override;
  Task<Result<void>> start(const SandboxId& id) override;
  Task<Result<void>> remove(const SandboxId& id) override;
  Task<Result<std::optional<Container>>> inspect(const SandboxId& id) override;
  Task<Result<std::vector<Container>>> list() override;
  Task<Result<void>> watch(std::function<void()> connected,
                           std::function<void(ContainerEvent)> on_event) override;

 private:
  DockerRuntime(DockerSettings settings, http::Connector connector);

  Task<Result<http::ClientResponse>> call(http::Method method, std::string target,
                                          std::string body = {},
                                          milliseconds deadline = std::chrono::seconds(30));
  Task<Result<void>> ensure_network();

  DockerSettings settings_;
  http::Client client_;
  asio::thread_pool files_{1};
};

}  // namespace matrx
