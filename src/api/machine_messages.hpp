#pragma once
// Bodies of requests and answers on what is inside of a sandbox, and their one description each.

#include "api/messages.hpp"
#include "base/limits.hpp"
#include "model/file_entry.hpp"
#include "model/process.hpp"

namespace matrx::api {

struct StartProcessRequest {
  std::optional<std::string> command;
  std::optional<std::vector<std::string>> argv;
  std::string user = "agent";
  std::optional<std::string> cwd;
  std::optional<Pairs> env;
  bool tty = false;
  std::optional<int> cols, rows;
  std::optional<int> timeout;
  bool stdin_open = false;
};
// Nothing: neither a command nor an argv, or both.
std::optional<ProcessStart> to_process_start(StartProcessRequest request);

struct ProcessStartedBody {
  std::string process_id;
  int pid = 0;
};

struct ProcessBody {
  std::string process_id;
  int pid = 0;
  std::string command;
  std::optional<std::string> cwd, user;
  bool tty = false, running = false;
  std::optional<TimePoint> started_at;
  std::optional<int> exit_code;
  std::optional<bool> timed_out, out_of_memory;
  std::int64_t output_begin = 0, output_end = 0;
};
ProcessBody to_body(const ProcessInfo& info);
std::string process_id_of(const ProcessInfo& info);

struct ProcessListBody {
  std::vector<ProcessBody> processes;
};

struct InputRequest {
  std::string data;
  std::string encoding = "utf8";
  bool eof = false;
};
struct SignalRequest {
  RawJson signal;
};
// "SIGTERM", "term", 15 → "TERM". Nothing: not a signal's name or number.
std::optional<std::string> to_signal_name(const RawJson& signal);

struct ResizeRequest {
  int cols = 80, rows = 24;
};

struct FileEntryBody {
  std::string path, name, type;
  std::int64_t size = 0;
  std::string mode, permissions, owner, group;
  std::optional<TimePoint> modified_at;
  std::optional<std::string> target;
};
FileEntryBody to_body(const FileEntry& entry);

struct FileListBody {
  std::vector<FileEntryBody> entries;
};
struct PathRequest {
  std::string path;
  std::string user = "agent";
};
struct MoveRequest {
  std::string from, to;
  std::string user = "agent";
};
struct UnpackedBody {
  std::int64_t entries = 0, bytes = 0;
};
struct FileChangeBody {
  std::string type, name;
  std::optional<FileEntryBody> entry;
};
FileChangeBody to_body(const FileChange& change);

struct PortBody {
  int port = 0;
  std::string address, user;
  std::optional<std::string> process;
  std::optional<int> pid;
};
struct PortListBody {
  std::vector<PortBody> ports;
};

struct LinkRequest {
  int port = 0;
  int ttl_seconds = kPortLinkSecondsDefault;
};
struct LinkBody {
  std::string path;
  int port = 0, ttl_seconds = 0;
};

struct AccessBody {
  std::string private_key, username, host;
  int port = 0;
  std::string ssh_command, known_hosts, host_key_fingerprint;
  TimePoint expires_at;
};

struct UsageBody {
  TimePoint at;
  double cpus = 0, cpu_percent = 0;
  std::int64_t memory_used_bytes = 0, memory_total_bytes = 0;
  std::int64_t disk_used_bytes = 0, disk_total_bytes = 0;
  std::int64_t received_bytes = 0, sent_bytes = 0, processes = 0;
};
UsageBody to_body(const MachineUsage& usage);

struct MetricsBody {
  std::string sandbox_id;
  std::optional<UsageBody> current;
  std::vector<UsageBody> series;
};

struct MachineSchemas {
  explicit MachineSchemas(const MessageLimits& limits);
  Schema<StartProcessRequest> start_process;
  Schema<InputRequest> input;
  Schema<SignalRequest> signal;
  Schema<ResizeRequest> resize;
  Schema<PathRequest> path;
  Schema<MoveRequest> move;
  Schema<LinkRequest> link;
};

const Schema<ProcessStartedBody>& process_started_schema();
const Schema<ProcessBody>& process_schema();
const Schema<ProcessListBody>& process_list_schema();
const Schema<FileEntryBody>& file_entry_schema();
const Schema<FileListBody>& file_list_schema();
const Schema<UnpackedBody>& unpacked_schema();
const Schema<FileChangeBody>& file_change_schema();
const Schema<PortListBody>& port_list_schema();
const Schema<LinkBody>& link_schema();
const Schema<AccessBody>& access_schema();
const Schema<MetricsBody>& metrics_schema();

}  // namespace matrx::api
