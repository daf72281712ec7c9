#pragma once
// The guest agent: what it serves, and to whom.

#include <string>

#include "agent/archive_service.hpp"
#include "agent/exec.hpp"
#include "agent/files_service.hpp"
#include "agent/filesystem_service.hpp"
#include "agent/metrics.hpp"
#include "agent/process_service.hpp"
#include "agent/signal_relay.hpp"
#include "agent/tunnels.hpp"
#include "http/server.hpp"

namespace matrx::agent {

struct AgentSettings {
  std::string socket;      // the orchestrator's way in
  int relay_port = 49980;  // on loopback, for programs in the sandbox
  std::string sandbox_id;  // SANDBOX_ID
  Pairs environment;       // our own, for the commands
};

class Agent {
 public:
  Agent(Executor executor, AgentSettings settings);

  // Serves until it is told to end. unavailable: the socket cannot be made.
  Task<Result<void>> run();

 private:
  Task<http::Response> handle(http::Request& request);
  Task<http::Response> route(http::Request& request);
  Task<http::Response> route_post(http::Request& request);
  Task<http::Response> handle_files(http::Request& request);
  Task<http::Response> handle_init(http::Request& request);
  Task<http::Response> handle_metrics();
  Task<http::Response> handle_ports();
  Task<http::Response> handle_exec(http::Request& request);
  Task<http::Response> handle_shutdown(http::Request& request);
  Task<void> watch_children();
  Task<void> watch_end();
  Task<void> end(milliseconds grace);
  void stop_servers();

  Executor executor_;
  AgentSettings settings_;
  SandboxSettings sandbox_;
  Users users_;
  Trees trees_;
  Shell shell_;
  Exec exec_;
  Processes processes_;
  ProcessService process_service_;
  UserWork work_;
  FilesystemService filesystem_service_;
  FilesService files_service_;
  ArchiveService archive_service_;
  Tunnels tunnels_;
  Metrics metrics_;
  SignalRelay relay_;
  http::Server server_;
  http::Server loopback_;
  bool ending_ = false;
  TaskGroup tasks_;
};

}  // namespace matrx::agent
