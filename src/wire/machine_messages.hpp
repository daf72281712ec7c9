#pragma once
// What the orchestrator says to the agent's process.Process and filesystem.Filesystem, and what it
// hears from them: client-contracts.md §1.7–1.9, docs/guest-agent.md. Everything read here comes
// from inside a sandbox; a member that is missing or of a wrong kind reads as empty. Fuzzed.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/file_entry.hpp"
#include "model/process.hpp"
#include "wire/json.hpp"

namespace matrx::machine {

json::object write_selector(const ProcessKey& key);  // {"process": {…}}
std::string write_start(const ProcessStart& start);
std::string write_follow(const ProcessKey& key, std::optional<std::uint64_t> since, bool may_skip);
std::string write_input(const ProcessKey& key, bool to_terminal, std::string_view bytes);
std::string write_resize(const ProcessKey& key, TerminalShape shape);
// Nothing: not a signal that can be sent.
std::optional<std::string> write_signal(const ProcessKey& key, std::string_view signal);

// A message of a stream. Nothing: one that says nothing to us.
std::optional<ProcessEvent> read_process_event(std::string_view text);
std::optional<FileChange> read_file_change(std::string_view text);

// Answers. internal: not what was agreed.
Result<std::vector<ProcessInfo>> read_process_list(std::string_view body);
Result<FileEntry> read_entry(std::string_view body);  // {"entry": {…}}
Result<std::vector<FileEntry>> read_entries(std::string_view body);
Result<std::vector<ListeningPort>> read_ports(std::string_view body);
Result<MachineUsage> read_usage(std::string_view body);
Result<std::pair<std::int64_t, std::int64_t>> read_unpacked(
    std::string_view body);  // entries, bytes

// {"code": <HTTP status>, "message"} of the plain routes, by that status.
Error read_plain_error(int status, std::string_view body);

}  // namespace matrx::machine
