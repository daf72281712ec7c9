#pragma once
// The insides of simulated sandboxes: as much as the layers above need to be tested. Files are a
// map for all sandboxes; a process says what the test has put into `script`.

#include <map>

#include "fakes/sim_world.hpp"
#include "ports/machine.hpp"

namespace matrx {

class SimMachine : public Machine {
 public:
  SimMachine(SimWorld& world, Clock& clock, std::string installation)
      : world_(world), clock_(clock), installation_(std::move(installation)) {}

  Task<Result<std::unique_ptr<ProcessEvents>>> start_process(SandboxId id,
                                                             ProcessStart start) override;
  Task<Result<std::unique_ptr<ProcessEvents>>> follow_process(SandboxId id, ProcessKey key,
                                                              Follow follow) override;
  Task<Result<std::vector<ProcessInfo>>> list_processes(SandboxId id) override;
  Task<Result<void>> send_input(SandboxId id, ProcessKey key, bool to_terminal,
                                std::string bytes) override;
  Task<Result<void>> close_input(SandboxId id, ProcessKey key) override;
  Task<Result<void>> signal_process(SandboxId id, ProcessKey key, std::string signal) override;
  Task<Result<void>> resize_terminal(SandboxId id, ProcessKey key, TerminalShape shape) override;
  Task<Result<FileEntry>> stat_file(SandboxId id, FilePlace place) override;
  Task<Result<std::vector<FileEntry>>> list_folder(SandboxId id, FilePlace place,
                                                   int depth) override;
  Task<Result<FileEntry>> make_folder(SandboxId id, FilePlace place) override;
  Task<Result<FileEntry>> move_file(SandboxId id, FilePlace from, std::string to) override;
  Task<Result<void>> remove_file(SandboxId id, FilePlace place) override;
  Task<Result<FileDownload>> read_file(SandboxId id, FilePlace place, std::string range) override;
  Task<Result<void>> write_file(SandboxId id, FilePlace place, ByteSource& content) override;
  Task<Result<FileDownload>> pack_folder(SandboxId id, FilePlace place,
                                         bool skip_unreadable) override;
  Task<Result<Unpacked>> unpack(SandboxId id, FilePlace place, bool gzip, bool outside_links,
                                ByteSource& content) override;
  Task<Result<std::unique_ptr<FileChanges>>> watch_folder(SandboxId id, FilePlace place,
                                                          bool recursive) override;
  Task<Result<std::vector<ListeningPort>>> list_ports(SandboxId id) override;
  Task<Result<std::unique_ptr<ByteStream>>> dial(SandboxId id, int port) override;
  Task<Result<MachineUsage>> usage(SandboxId id) override;

  std::vector<ProcessEvent> script;          // of every process
  std::vector<ProcessStart> started;         // what was asked for
  std::vector<std::string> told;             // "input …", "signal …", "resize …"
  std::map<std::string, std::string> files;  // by path
  double cpu_percent = 0;
  std::optional<microseconds> cpu_time;

 private:
  Result<void> check(const SandboxId& id) const;
  Result<std::unique_ptr<ProcessEvents>> scripted() const;

  SimWorld& world_;
  Clock& clock_;
  std::string installation_;
};

}  // namespace matrx
