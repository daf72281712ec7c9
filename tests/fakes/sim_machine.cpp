#include "fakes/sim_machine.hpp"

namespace matrx {
namespace {

template <class T>
class Scripted : public Series<T> {
 public:
  explicit Scripted(std::vector<T> items) : items_(std::move(items)) {}
  Task<Result<std::optional<T>>> next() override {
    if (at_ == items_.size()) co_return std::nullopt;
    co_return items_[at_++];
  }
  void close() override { at_ = items_.size(); }

 private:
  std::vector<T> items_;
  std::size_t at_ = 0;
};

class Text : public ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  Task<Result<std::string>> read_some() override { co_return std::exchange(text_, {}); }

 private:
  std::string text_;
};

FileEntry entry_of(const std::string& path, std::size_t bytes) {
  return {.path = path,
          .name = path.substr(path.rfind('/') + 1),
          .type = FileType::file,
          .size = static_cast<std::int64_t>(bytes),
          .mode = 0644,
          .permissions = "-rw-r--r--",
          .owner = "agent",
          .group = "agent",
          .modified_at = from_unix_ms(1'700'000'000'000)};
}

std::unexpected<Error> missing(const std::string& path) {
  return fail(Code::not_found, "'" + path + "': No such file or directory.");
}

Task<Result<std::string>> read_all(ByteSource& content) {
  std::string all;
  for (;;) {
    CO_TRY(piece, co_await content.read_some());
    if (piece.empty()) co_return all;
    all += piece;
  }
}

}  // namespace

Result<void> SimMachine::check(const SandboxId& id) const {
  const auto found = world_.containers.find(id);
  const bool up = found != world_.containers.end() && found->second.installation == installation_ &&
                  found->second.state == ContainerState::running && found->second.agent_works;
  if (up) return {};
  return fail(Code::unavailable, "The guest agent cannot be reached.");
}

Result<std::unique_ptr<ProcessEvents>> SimMachine::scripted() const {
  return std::make_unique<Scripted<ProcessEvent>>(script);
}

Task<Result<std::unique_ptr<ProcessEvents>>> SimMachine::start_process(SandboxId id,
                                                                       ProcessStart start) {
  CO_CHECK(check(id));
  started.push_back(std::move(start));
  co_return scripted();
}

Task<Result<std::unique_ptr<ProcessEvents>>> SimMachine::follow_process(SandboxId id,
                                                                        ProcessKey key, Follow) {
  CO_CHECK(check(id));
  if (key.tag == "prc-unknown") co_return fail(Code::not_found, "There is no such process.");
  co_return scripted();
}

Task<Result<std::vector<ProcessInfo>>> SimMachine::list_processes(SandboxId id) {
  CO_CHECK(check(id));
  std::vector<ProcessInfo> all;
  for (const ProcessStart& start : started) {
    all.push_back({.pid = 100 + static_cast<int>(all.size()),
                   .tag = start.tag,
                   .command = start.command,
                   .user = start.user,
                   .has_terminal = start.terminal.has_value()});
  }
  co_return all;
}

Task<Result<void>> SimMachine::send_input(SandboxId id, ProcessKey, bool, std::string bytes) {
  CO_CHECK(check(id));
  told.push_back("input " + bytes);
  co_return Result<void>();
}

Task<Result<void>> SimMachine::close_input(SandboxId id, ProcessKey) {
  CO_CHECK(check(id));
  told.emplace_back("close");
  co_return Result<void>();
}

Task<Result<void>> SimMachine::signal_process(SandboxId id, ProcessKey, std::string signal) {
  CO_CHECK(check(id));
  told.push_back("signal " + signal);
  co_return Result<void>();
}

Task<Result<void>> SimMachine::resize_terminal(SandboxId id, ProcessKey, TerminalShape shape) {
  CO_CHECK(check(id));
  told.push_back("resize " + std::to_string(shape.columns) + "x" + std::to_string(shape.rows));
  co_return Result<void>();
}

Task<Result<FileEntry>> SimMachine::stat_file(SandboxId id, FilePlace place) {
  CO_CHECK(check(id));
  const auto found = files.find(place.path);
  if (found == files.end()) co_return missing(place.path);
  co_return entry_of(place.path, found->second.size());
}

Task<Result<std::vector<FileEntry>>> SimMachine::list_folder(SandboxId id, FilePlace place, int) {
  CO_CHECK(check(id));
  std::vector<FileEntry> entries;
  for (const auto& [path, text] : files) {
    if (path.starts_with(place.path + "/")) entries.push_back(entry_of(path, text.size()));
  }
  co_return entries;
}

Task<Result<FileEntry>> SimMachine::make_folder(SandboxId id, FilePlace place) {
  CO_CHECK(check(id));
  FileEntry entry = entry_of(place.path, 0);
  entry.type = FileType::folder;
  co_return entry;
}

Task<Result<FileEntry>> SimMachine::move_file(SandboxId id, FilePlace from, std::string to) {
  CO_CHECK(check(id));
  auto moved = files.extract(from.path);
  if (moved.empty()) co_return missing(from.path);
  moved.key() = to;
  const std::size_t bytes = moved.mapped().size();
  files.insert(std::move(moved));
  co_return entry_of(to, bytes);
}

Task<Result<void>> SimMachine::remove_file(SandboxId id, FilePlace place) {
  CO_CHECK(check(id));
  files.erase(place.path);
  co_return Result<void>();
}

Task<Result<FileDownload>> SimMachine::read_file(SandboxId id, FilePlace place, std::string) {
  CO_CHECK(check(id));
  const auto found = files.find(place.path);
  if (found == files.end()) co_return missing(place.path);
  FileDownload download{
      .content = std::make_unique<Text>(found->second), .bytes = found->second.size(), .range = {}};
  co_return download;
}

Task<Result<void>> SimMachine::write_file(SandboxId id, FilePlace place, ByteSource& content) {
  CO_CHECK(check(id));
  CO_TRY(text, co_await read_all(content));
  files[place.path] = std::move(text);
  co_return Result<void>();
}

Task<Result<FileDownload>> SimMachine::pack_folder(SandboxId id, FilePlace, bool) {
  CO_CHECK(check(id));
  FileDownload download{.content = std::make_unique<Text>("a tar"), .bytes = {}, .range = {}};
  co_return download;
}

Task<Result<Unpacked>> SimMachine::unpack(SandboxId id, FilePlace, bool, bool,
                                          ByteSource& content) {
  CO_CHECK(check(id));
  CO_TRY(text, co_await read_all(content));
  co_return Unpacked{.entries = 1, .bytes = static_cast<std::int64_t>(text.size())};
}

Task<Result<std::unique_ptr<FileChanges>>> SimMachine::watch_folder(SandboxId id, FilePlace, bool) {
  CO_CHECK(check(id));
  co_return std::make_unique<Scripted<FileChange>>(std::vector<FileChange>{
      {.kind = FileChange::Kind::change, .change = FileChangeKind::create, .name = "a"},
      {.kind = FileChange::Kind::overflow}});
}

Task<Result<std::vector<ListeningPort>>> SimMachine::list_ports(SandboxId id) {
  CO_CHECK(check(id));
  co_return std::vector<ListeningPort>{
      {.port = 8080, .address = "127.0.0.1", .user = "agent", .process = "python3", .pid = 7}};
}

Task<Result<std::unique_ptr<ByteStream>>> SimMachine::dial(SandboxId id, int) {
  CO_CHECK(check(id));
  co_return fail(Code::not_found, "Nothing listens on this port of the sandbox.");
}

Task<Result<MachineUsage>> SimMachine::usage(SandboxId id) {
  CO_CHECK(check(id));
  co_return MachineUsage{.at = clock_.now(),
                         .cpus = 2,
                         .cpu_percent = cpu_percent,
                         .cpu_time = cpu_time,
                         .memory_used = 1 << 20,
                         .memory_total = 1 << 30,
                         .processes = 3};
}

}  // namespace matrx
