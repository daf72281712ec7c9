#pragma once
// The inside of this host's sandboxes, through their agents: process.Process,
// filesystem.Filesystem, /files and our own routes (docs/guest-agent.md).

#include "adapters/guest/guest_client.hpp"
#include "base/limits.hpp"
#include "ports/machine.hpp"

namespace matrx {

class GuestMachine : public Machine {
 public:
  // agents: has the connections; outlives us.
  GuestMachine(Clock& clock, GuestClient& agents) : clock_(clock), agents_(agents) {}

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

 private:
  // A unary call: the answer's body. user: empty for the sandbox's own.
  Task<Result<std::string>> call(SandboxId id, std::string method, std::string user,
                                 std::string message, milliseconds deadline = kGuestCallDeadline,
                                 std::size_t answer_bytes_max = kMachineAnswerBytesMax);
  // A streaming call.
  Task<Result<std::unique_ptr<http::ResponseStream>>> stream(
      SandboxId id, std::string method, std::string user, std::string message,
      std::optional<milliseconds> timeout, milliseconds deadline = kGuestCallDeadline);
  Task<Result<std::unique_ptr<ProcessEvents>>> begin_events(
      std::unique_ptr<http::ResponseStream> opened, milliseconds deadline = kGuestCallDeadline);
  Task<Result<std::string>> get(SandboxId id, std::string target);
  Task<Result<FileDownload>> download(SandboxId id, std::string target, std::string range);
  Task<Result<std::string>> upload(SandboxId id, http::ClientRequest request);

  Clock& clock_;
  GuestClient& agents_;
};

}  // namespace matrx
