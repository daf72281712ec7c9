#include "api/machine_messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx {
namespace api {
namespace {

const Schema<PortBody>& port_schema();
const Schema<UsageBody>& usage_schema();

}  // namespace
}  // namespace api

MATRX_NESTED_CODEC(api::ProcessBody, api::process_schema);
MATRX_NESTED_CODEC(api::FileEntryBody, api::file_entry_schema);
MATRX_NESTED_CODEC(api::PortBody, api::port_schema);
MATRX_NESTED_CODEC(api::UsageBody, api::usage_schema);

namespace api {
namespace {

constexpr int kProcessTimeoutMax = 86'400;

const Schema<PortBody>& port_schema() {
  static const auto schema = Schema<PortBody>("Port")
                                 .field("port", &PortBody::port)
                                 .field("address", &PortBody::address)
                                 .field("user", &PortBody::user)
                                 .field("process", &PortBody::process)
                                 .field("pid", &PortBody::pid);
  return schema;
}

const Schema<UsageBody>& usage_schema() {
  using U = UsageBody;
  static const auto schema =
      Schema<U>("Usage")
          .field("at", &U::at)
          .field("cpus", &U::cpus, says("Cores that it may use."))
          .field("cpu_percent", &U::cpu_percent, says("Of all of them, 0 to 100."))
          .field("memory_used_bytes", &U::memory_used_bytes)
          .field("memory_total_bytes", &U::memory_total_bytes)
          .field("disk_used_bytes", &U::disk_used_bytes)
          .field("disk_total_bytes", &U::disk_total_bytes)
          .field("received_bytes", &U::received_bytes, says("Since its start."))
          .field("sent_bytes", &U::sent_bytes)
          .field("processes", &U::processes);
  return schema;
}

Schema<StartProcessRequest> make_start_process(const MessageLimits& limits) {
  using R = StartProcessRequest;
  return Schema<R>("StartProcessRequest")
      .field("command", &R::command, chars(1, static_cast<std::size_t>(limits.command_chars_max)),
             no_nul(), example("python3 -m http.server 8080"),
             says("For the shell. Either this or argv."))
      .field("argv", &R::argv, says("A program and its arguments, without a shell."))
      .field_with_default("user", &R::user, user_name_rule())
      .field("cwd", &R::cwd, chars(1, kPathBytesMax), no_nul())
      .field("env", &R::env, env_rule())
      .field_with_default("tty", &R::tty, says("With a terminal instead of pipes."))
      .field("cols", &R::cols, between(1, kTerminalSideMax))
      .field("rows", &R::rows, between(1, kTerminalSideMax))
      .field("timeout", &R::timeout, between(1, kProcessTimeoutMax),
             says("Seconds; then the whole tree is killed. Default: none."))
      .field_with_default("stdin", &R::stdin_open,
                          says("Keep its input open, for …/stdin. Default: /dev/null."));
}

}  // namespace

std::optional<ProcessStart> to_process_start(StartProcessRequest request) {
  const bool has_argv = request.argv && !request.argv->empty();
  if (request.command.has_value() == has_argv) return std::nullopt;
  ProcessStart start{.is_shell = !has_argv,
                     .user = std::move(request.user),
                     .cwd = std::move(request.cwd),
                     .with_stdin = request.stdin_open};
  if (has_argv) {
    start.command = request.argv->front();
    start.arguments.assign(request.argv->begin() + 1, request.argv->end());
  } else {
    start.command = *std::move(request.command);
  }
  if (request.env) start.env = *std::move(request.env);
  if (request.tty) {
    start.terminal =
        TerminalShape{.columns = request.cols.value_or(80), .rows = request.rows.value_or(24)};
    start.env.insert(start.env.begin(), {"TERM", "xterm-256color"});
  }
  if (request.timeout) start.timeout = seconds(*request.timeout);
  return start;
}

std::string process_id_of(const ProcessInfo& info) {
  return info.tag.empty() ? std::to_string(info.pid) : info.tag;
}

ProcessBody to_body(const ProcessInfo& info) {
  ProcessBody body{.process_id = process_id_of(info),
                   .pid = info.pid,
                   .command = info.command,
                   .cwd = {},
                   .user = {},
                   .tty = info.has_terminal,
                   .running = !info.end,
                   .started_at = info.started_at,
                   .exit_code = {},
                   .timed_out = {},
                   .out_of_memory = {},
                   .output_begin = static_cast<std::int64_t>(info.output_begin),
                   .output_end = static_cast<std::int64_t>(info.output_end)};
  if (!info.cwd.empty()) body.cwd = info.cwd;
  if (!info.user.empty()) body.user = info.user;
  if (info.end) {
    body.exit_code = info.end->exit_code;
    body.timed_out = info.end->timed_out;
    body.out_of_memory = info.end->out_of_memory;
  }
  return body;
}

std::optional<std::string> to_signal_name(const RawJson& signal) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNumbers = {
      {{"1", "HUP"},
       {"2", "INT"},
       {"3", "QUIT"},
       {"9", "KILL"},
       {"10", "USR1"},
       {"12", "USR2"},
       {"15", "TERM"}}};
  const auto parsed = json::parse(signal.text);
  if (!parsed) return std::nullopt;
  std::string word =
      parsed->is_string() ? json::to_string(parsed->get_string()) : json::serialize(*parsed);
  for (char& c : word) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  if (word.starts_with("SIG")) word.erase(0, 3);
  for (const auto& [number, name] : kNumbers) {
    if (word == number || word == name) return std::string(name);
  }
  return std::nullopt;
}

FileEntryBody to_body(const FileEntry& entry) {
  return {.path = entry.path,
          .name = entry.name,
          .type = entry.type == FileType::file     ? "file"
                  : entry.type == FileType::folder ? "folder"
                                                   : "other",
          .size = entry.size,
          .mode = fmt::format("{:04o}", entry.mode),
          .permissions = entry.permissions,
          .owner = entry.owner,
          .group = entry.group,
          .modified_at = entry.modified_at,
          .target = entry.link_target};
}

FileChangeBody to_body(const FileChange& change) {
  constexpr std::array<const char*, 5> kWords = {"create", "write", "remove", "rename", "chmod"};
  FileChangeBody body{
      .type = kWords.at(static_cast<std::size_t>(change.change)), .name = change.name, .entry = {}};
  if (change.entry) body.entry = to_body(*change.entry);
  return body;
}

UsageBody to_body(const MachineUsage& usage) {
  return {.at = usage.at,
          .cpus = usage.cpus,
          .cpu_percent = usage.cpu_percent,
          .memory_used_bytes = usage.memory_used,
          .memory_total_bytes = usage.memory_total,
          .disk_used_bytes = usage.disk_used,
          .disk_total_bytes = usage.disk_total,
          .received_bytes = usage.received,
          .sent_bytes = usage.sent,
          .processes = usage.processes};
}

MachineSchemas::MachineSchemas(const MessageLimits& limits)
    : start_process(make_start_process(limits)),
      input(Schema<InputRequest>("InputRequest")
                .field_with_default("data", &InputRequest::data, bytes_at_most(kExecStdinBytesMax),
                                    example("yes\n"))
                .field_with_default("encoding", &InputRequest::encoding, one_of({"utf8", "base64"}))
                .field_with_default("eof", &InputRequest::eof,
                                    says("Close its input after these bytes."))),
      signal(Schema<SignalRequest>("SignalRequest")
                 .field("signal", &SignalRequest::signal, example("SIGTERM"),
                        says("Name or number of TERM, KILL (the whole tree), INT, HUP, QUIT, "
                             "USR1, USR2."))),
      resize(Schema<ResizeRequest>("ResizeRequest")
                 .field("cols", &ResizeRequest::cols, between(1, kTerminalSideMax), example(120))
                 .field("rows", &ResizeRequest::rows, between(1, kTerminalSideMax), example(40))),
      path(Schema<PathRequest>("PathRequest")
               .field("path", &PathRequest::path, chars(1, kPathBytesMax), no_nul(),
                      example("~/project"))
               .field_with_default("user", &PathRequest::user, user_name_rule())),
      move(Schema<MoveRequest>("MoveRequest")
               .field("from", &MoveRequest::from, chars(1, kPathBytesMax), no_nul(),
                      example("~/notes.txt"))
               .field("to", &MoveRequest::to, chars(1, kPathBytesMax), no_nul(),
                      example("~/renamed.txt"))
               .field_with_default("user", &MoveRequest::user, user_name_rule())),
      link(Schema<LinkRequest>("LinkRequest")
               .field("port", &LinkRequest::port, between(1, 65535), example(8080))
               .field_with_default("ttl_seconds", &LinkRequest::ttl_seconds,
                                   between(1, kPortLinkSecondsMax), says("From now on."))) {}

const Schema<ProcessStartedBody>& process_started_schema() {
  static const auto schema =
      Schema<ProcessStartedBody>("ProcessStarted")
          .field("process_id", &ProcessStartedBody::process_id, example("prc-0123456789ab"))
          .field("pid", &ProcessStartedBody::pid, says("Inside the sandbox."));
  return schema;
}

const Schema<ProcessBody>& process_schema() {
  using P = ProcessBody;
  static const auto schema =
      Schema<P>("Process")
          .field("process_id", &P::process_id)
          .field("pid", &P::pid)
          .field("command", &P::command)
          .field("cwd", &P::cwd)
          .field("user", &P::user)
          .field("tty", &P::tty)
          .field("running", &P::running)
          .field("started_at", &P::started_at)
          .field("exit_code", &P::exit_code,
                 says("Of one that has ended; 128 + n for signal n, 124 for its timeout."))
          .field("timed_out", &P::timed_out)
          .field("out_of_memory", &P::out_of_memory,
                 says("While it ran, the kernel killed something in the sandbox for want of "
                      "memory."))
          .field("output_begin", &P::output_begin, says("Offset of the first byte still kept."))
          .field("output_end", &P::output_end, says("Offset behind the last one."));
  return schema;
}

const Schema<ProcessListBody>& process_list_schema() {
  static const auto schema =
      Schema<ProcessListBody>("ProcessList").field("processes", &ProcessListBody::processes);
  return schema;
}

const Schema<FileEntryBody>& file_entry_schema() {
  using F = FileEntryBody;
  static const auto schema = Schema<F>("FileEntry")
                                 .field("path", &F::path)
                                 .field("name", &F::name)
                                 .field("type", &F::type, one_of({"file", "folder", "other"}),
                                        says("Of a link: its target's."))
                                 .field("size", &F::size, says("Bytes."))
                                 .field("mode", &F::mode, example("0644"))
                                 .field("permissions", &F::permissions, example("-rw-r--r--"))
                                 .field("owner", &F::owner)
                                 .field("group", &F::group)
                                 .field("modified_at", &F::modified_at)
                                 .field("target", &F::target, says("Of a link."));
  return schema;
}

const Schema<FileListBody>& file_list_schema() {
  static const auto schema =
      Schema<FileListBody>("FileList").field("entries", &FileListBody::entries);
  return schema;
}

const Schema<UnpackedBody>& unpacked_schema() {
  static const auto schema = Schema<UnpackedBody>("Unpacked")
                                 .field("entries", &UnpackedBody::entries)
                                 .field("bytes", &UnpackedBody::bytes);
  return schema;
}

const Schema<FileChangeBody>& file_change_schema() {
  using F = FileChangeBody;
  static const auto schema =
      Schema<F>("FileChange")
          .field("type", &F::type, one_of({"create", "write", "remove", "rename", "chmod"}))
          .field("name", &F::name, says("Relative to the watched folder."))
          .field("entry", &F::entry);
  return schema;
}

const Schema<PortListBody>& port_list_schema() {
  static const auto schema = Schema<PortListBody>("PortList").field("ports", &PortListBody::ports);
  return schema;
}

const Schema<LinkBody>& link_schema() {
  static const auto schema =
      Schema<LinkBody>("Link")
          .field("path", &LinkBody::path, example("/links/0123456789abcdef/"),
                 says("Of this server. Whoever has it comes to this port, and to nothing else."))
          .field("port", &LinkBody::port)
          .field("ttl_seconds", &LinkBody::ttl_seconds);
  return schema;
}

const Schema<AccessBody>& access_schema() {
  using A = AccessBody;
  static const auto schema =
      Schema<A>("Access")
          .field("private_key", &A::private_key,
                 says("Ed25519, as OpenSSH reads it from a file. It is kept nowhere else."))
          .field("username", &A::username, says("Goes with this key only."))
          .field("host", &A::host, example("sandboxes.example.com"))
          .field("port", &A::port, example(2222))
          .field("ssh_command", &A::ssh_command,
                 says("With the key in a file <sandbox_id>.pem of mode 600. It knows the server "
                      "by its host key."))
          .field("known_hosts", &A::known_hosts, says("A line for such a file."))
          .field("host_key_fingerprint", &A::host_key_fingerprint, example("SHA256:…"))
          .field("expires_at", &A::expires_at,
                 says("Nobody signs in with it after that, nor after the sandbox's end."));
  return schema;
}

const Schema<MetricsBody>& metrics_schema() {
  using M = MetricsBody;
  static const auto schema =
      Schema<M>("Metrics")
          .field("sandbox_id", &M::sandbox_id)
          .field("current", &M::current)
          .field("series", &M::series, says("The last half hour, every 15 s, oldest first."));
  return schema;
}

}  // namespace api
}  // namespace matrx
