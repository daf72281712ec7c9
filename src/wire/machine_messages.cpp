#include "wire/machine_messages.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace matrx::machine {
namespace {

constexpr std::size_t kMessageCharsMax = 1000;  // of an error text that we pass on
constexpr int kSignalExitCode = 128;            // + the signal's number, as shells have it

std::unexpected<Error> not_agreed(std::string_view what) {
  return fail(Code::internal, "The guest agent sent an answer that is not understood.",
              std::string(what));
}

std::string text_of(const json::object& from, std::string_view name) {
  return to_valid_utf8(std::string(json::text_at(from, name)));
}

// 64 bit numbers travel as text; plain ones are taken, too.
std::uint64_t number_of(const json::object& from, std::string_view name) {
  const auto text = json::text_at(from, name);
  std::uint64_t number = 0;
  if (text.empty())
    return static_cast<std::uint64_t>(std::max<std::int64_t>(json::integer_at(from, name), 0));
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::int64_t signed_of(const json::object& from, std::string_view name) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(number_of(from, name), std::numeric_limits<std::int64_t>::max()));
}

double real_of(const json::object& from, std::string_view name) {
  const json::value* value = from.if_contains(name);
  if (value == nullptr || !value->is_number()) return 0;
  return value->to_number<double>();
}

ProcessEnd end_of(const json::object& from) {
  ProcessEnd end{.exit_code = static_cast<int>(json::integer_at(from, "exitCode") & 0xFF),
                 .timed_out = json::flag_at(from, "timedOut"),
                 .out_of_memory = json::flag_at(from, "outOfMemory"),
                 .cwd = text_of(from, "cwd")};
  const auto signal = json::integer_at(from, "signal");
  if (!json::flag_at(from, "exited") && json::integer_at(from, "exitCode") < 0) {
    end.exit_code = kSignalExitCode + static_cast<int>(signal & 0x7F);
  }
  if (end.timed_out) end.exit_code = kTimedOutExitCode;
  return end;
}

std::optional<ProcessEvent> data_of(const json::object& from) {
  constexpr std::array<std::pair<std::string_view, OutputStream>, 3> kStreams = {
      {{"stdout", OutputStream::standard_output},
       {"stderr", OutputStream::standard_error},
       {"pty", OutputStream::terminal}}};
  for (const auto& [name, stream] : kStreams) {
    const auto packed = json::text_at(from, name);
    if (packed.empty()) continue;
    auto bytes = base64_decode(packed);
    if (!bytes) return std::nullopt;
    return ProcessEvent{.kind = ProcessEvent::Kind::data,
                        .stream = stream,
                        .bytes = *std::move(bytes),
                        .offset = number_of(from, "offset")};
  }
  return std::nullopt;
}

FileType type_of(std::string_view word) {
  if (word == "FILE_TYPE_FILE") return FileType::file;
  if (word == "FILE_TYPE_DIRECTORY") return FileType::folder;
  return FileType::other;
}

FileEntry entry_of(const json::object& from) {
  FileEntry entry{.path = text_of(from, "path"),
                  .name = text_of(from, "name"),
                  .type = type_of(json::text_at(from, "type")),
                  .size = signed_of(from, "size"),
                  .mode = static_cast<std::uint32_t>(json::integer_at(from, "mode") & 07777),
                  .permissions = text_of(from, "permissions"),
                  .owner = text_of(from, "owner"),
                  .group = text_of(from, "group"),
                  .modified_at = from_rfc3339(json::text_at(from, "modifiedTime"))};
  if (from.contains("symlinkTarget")) entry.link_target = text_of(from, "symlinkTarget");
  return entry;
}

std::optional<FileChangeKind> change_of(std::string_view word) {
  if (word == "EVENT_TYPE_CREATE") return FileChangeKind::create;
  if (word == "EVENT_TYPE_WRITE") return FileChangeKind::write;
  if (word == "EVENT_TYPE_REMOVE") return FileChangeKind::remove;
  if (word == "EVENT_TYPE_RENAME") return FileChangeKind::rename;
  if (word == "EVENT_TYPE_CHMOD") return FileChangeKind::chmod;
  return std::nullopt;
}

std::string command_of(const json::object& config) {
  std::string command = text_of(config, "cmd");
  if (const json::array* args = json::array_at(config, "args")) {
    for (const json::value& arg : *args) {
      if (arg.is_string()) command += " " + to_valid_utf8(json::to_string(arg.get_string()));
    }
  }
  return command;
}

ProcessInfo process_of(const json::object& from) {
  ProcessInfo info{.pid = static_cast<int>(json::integer_at(from, "pid") & 0x7FFFFFFF),
                   .tag = text_of(from, "tag"),
                   .user = text_of(from, "user"),
                   .has_terminal = json::flag_at(from, "pty"),
                   .started_at = from_rfc3339(json::text_at(from, "startedAt")),
                   .output_begin = number_of(from, "begin"),
                   .output_end = number_of(from, "offset")};
  if (const json::object* config = json::object_at(from, "config")) {
    info.command = command_of(*config);
    info.cwd = text_of(*config, "cwd");
  }
  if (const json::object* end = json::object_at(from, "end")) info.end = end_of(*end);
  return info;
}

// Each object of the array of that name.
template <class T>
Result<std::vector<T>> read_all(std::string_view body, std::string_view name, std::size_t count_max,
                                T (*read)(const json::object&)) {
  const auto parsed = json::parse(body);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  const json::array* array = message ? json::array_at(*message, name) : nullptr;
  if (array == nullptr) return not_agreed(name);
  // Three bytes of JSON are a whole entry here.
  if (array->size() > count_max) return fail(Code::too_large, "There are too many of them.");
  std::vector<T> all;
  all.reserve(array->size());
  for (const json::value& one : *array) {
    if (const json::object* object = one.if_object()) all.push_back(read(*object));
  }
  return all;
}

ListeningPort port_of(const json::object& from) {
  ListeningPort port{.port = static_cast<int>(json::integer_at(from, "port") & 0xFFFF),
                     .address = text_of(from, "address"),
                     .user = text_of(from, "user"),
                     .process = text_of(from, "process"),
                     .pid = {}};
  if (from.contains("pid")) port.pid = static_cast<int>(json::integer_at(from, "pid") & 0x7FFFFFFF);
  return port;
}

}  // namespace

json::object write_selector(const ProcessKey& key) {
  json::object selector;
  if (key.tag.empty()) {
    selector["pid"] = key.pid;
  } else {
    selector["tag"] = key.tag;
  }
  return {{"process", std::move(selector)}};
}

std::string write_start(const ProcessStart& start) {
  json::object envs;
  for (const auto& [name, value] : start.env) envs[name] = value;
  json::object process{{"cmd", start.command},
                       {"args", json::array(start.arguments.begin(), start.arguments.end())},
                       {"envs", std::move(envs)}};
  if (start.is_shell) process["shell"] = true;
  if (start.is_exec) process["exec"] = true;
  if (start.cwd) process["cwd"] = *start.cwd;
  json::object message{
      {"process", std::move(process)}, {"stdin", start.with_stdin}, {"offsets", true}};
  if (!start.tag.empty()) message["tag"] = start.tag;
  if (start.input) message["stdinData"] = base64_encode(*start.input);
  if (start.terminal) {
    message["pty"] = json::object{
        {"size", json::object{{"cols", start.terminal->columns}, {"rows", start.terminal->rows}}}};
  }
  return json::serialize(message);
}

std::string write_follow(const ProcessKey& key, std::optional<std::uint64_t> since, bool may_skip) {
  json::object message = write_selector(key);
  message["offsets"] = true;
  if (since) message["since"] = std::to_string(*since);
  if (may_skip) message["skip"] = true;
  return json::serialize(message);
}

std::string write_input(const ProcessKey& key, bool to_terminal, std::string_view bytes) {
  json::object message = write_selector(key);
  message["input"] = json::object{{to_terminal ? "pty" : "stdin", base64_encode(bytes)}};
  message["exact"] = true;
  return json::serialize(message);
}

std::string write_resize(const ProcessKey& key, TerminalShape shape) {
  json::object message = write_selector(key);
  message["pty"] =
      json::object{{"size", json::object{{"cols", shape.columns}, {"rows", shape.rows}}}};
  return json::serialize(message);
}

std::optional<std::string> write_signal(const ProcessKey& key, std::string_view signal) {
  constexpr std::array<std::string_view, 7> kKnown = {"TERM", "KILL", "HUP", "INT",
                                                      "QUIT", "USR1", "USR2"};
  if (std::ranges::find(kKnown, signal) == kKnown.end()) return std::nullopt;
  json::object message = write_selector(key);
  message["signal"] = "SIGNAL_SIG" + std::string(signal);
  return json::serialize(message);
}

std::optional<ProcessEvent> read_process_event(std::string_view text) {
  using Kind = ProcessEvent::Kind;
  const auto parsed = json::parse(text);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  const json::object* event = message ? json::object_at(*message, "event") : nullptr;
  if (event == nullptr) return std::nullopt;
  if (const json::object* data = json::object_at(*event, "data")) return data_of(*data);
  if (const json::object* start = json::object_at(*event, "start")) {
    return ProcessEvent{.kind = Kind::start,
                        .pid = static_cast<int>(json::integer_at(*start, "pid") & 0x7FFFFFFF),
                        .cwd = text_of(*start, "cwd"),
                        .offset = number_of(*start, "offset")};
  }
  if (const json::object* gap = json::object_at(*event, "gap")) {
    return ProcessEvent{
        .kind = Kind::gap, .lost_from = number_of(*gap, "from"), .offset = number_of(*gap, "to")};
  }
  if (const json::object* end = json::object_at(*event, "end")) {
    return ProcessEvent{
        .kind = Kind::end, .offset = number_of(*end, "offset"), .end = end_of(*end)};
  }
  if (event->contains("keepalive")) return ProcessEvent{};
  return std::nullopt;
}

std::optional<FileChange> read_file_change(std::string_view text) {
  const auto parsed = json::parse(text);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  if (message == nullptr) return std::nullopt;
  if (message->contains("overflow")) return FileChange{.kind = FileChange::Kind::overflow};
  if (message->contains("keepalive") || message->contains("start")) return FileChange{};
  const json::object* told = json::object_at(*message, "filesystem");
  const auto kind = told ? change_of(json::text_at(*told, "type")) : std::nullopt;
  if (!kind) return std::nullopt;
  FileChange change{
      .kind = FileChange::Kind::change, .change = *kind, .name = text_of(*told, "name")};
  if (const json::object* entry = json::object_at(*told, "entry")) change.entry = entry_of(*entry);
  return change;
}

Result<std::vector<ProcessInfo>> read_process_list(std::string_view body) {
  return read_all(body, "processes", kMachineProcessesMax, process_of);
}

Result<FileEntry> read_entry(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  const json::object* entry = message ? json::object_at(*message, "entry") : nullptr;
  if (entry == nullptr) return not_agreed("entry");
  return entry_of(*entry);
}

Result<std::vector<FileEntry>> read_entries(std::string_view body) {
  return read_all(body, "entries", kMachineEntriesMax, entry_of);
}

Result<std::vector<ListeningPort>> read_ports(std::string_view body) {
  return read_all(body, "ports", kMachinePortsMax, port_of);
}

Result<MachineUsage> read_usage(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* from = parsed ? parsed->if_object() : nullptr;
  if (from == nullptr || !from->contains("cpu_used_pct")) return not_agreed("metrics");
  return MachineUsage{.at = {},
                      .cpus = real_of(*from, "cpu_count"),
                      .cpu_percent = std::clamp(real_of(*from, "cpu_used_pct"), 0.0, 100.0),
                      .cpu_time = from->contains("cpu_used_us")
                                      ? std::optional(microseconds(signed_of(*from, "cpu_used_us")))
                                      : std::nullopt,
                      .memory_used = signed_of(*from, "mem_used"),
                      .memory_total = signed_of(*from, "mem_total"),
                      .disk_used = signed_of(*from, "disk_used"),
                      .disk_total = signed_of(*from, "disk_total"),
                      .received = signed_of(*from, "net_rx_bytes"),
                      .sent = signed_of(*from, "net_tx_bytes"),
                      .processes = signed_of(*from, "processes")};
}

Result<std::pair<std::int64_t, std::int64_t>> read_unpacked(std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* from = parsed ? parsed->if_object() : nullptr;
  if (from == nullptr) return not_agreed("archive");
  return std::pair(signed_of(*from, "entries"), signed_of(*from, "bytes"));
}

Error read_plain_error(int status, std::string_view body) {
  const auto parsed = json::parse(body);
  const json::object* message = parsed ? parsed->if_object() : nullptr;
  std::string text = message ? text_of(*message, "message").substr(0, kMessageCharsMax) : "";
  text = to_valid_utf8(std::move(text));
  switch (status) {
    case 400:
    case 401:  // the user that was named is not known
    case 406:
    case 416:
      return {Code::invalid, std::move(text), {}};
    case 403:
      return {Code::forbidden, std::move(text), {}};
    case 404:
      return {Code::not_found, std::move(text), {}};
    case 409:
      return {Code::conflict, std::move(text), {}};
    case 429:
      return {Code::exhausted, std::move(text), {}};
    case 507:
      return {Code::too_large, std::move(text), {}};
    default:
      return {Code::internal, "The guest agent could not do that.",
              std::to_string(status) + " " + text};
  }
}

}  // namespace matrx::machine
