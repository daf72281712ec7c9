#include "agent/process_messages.hpp"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/connect_call.hpp"
#include "agent/limits.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace matrx::agent {
namespace {

struct SignalRow {
  std::string_view word;
  int number;
};

// The first two are the protocol's. None that stops a process: nothing in the protocol tells a
// client that one is stopped.
constexpr std::array<SignalRow, 7> kSignals = {{
    {"SIGNAL_SIGTERM", SIGTERM},
    {"SIGNAL_SIGKILL", SIGKILL},
    {"SIGNAL_SIGHUP", SIGHUP},
    {"SIGNAL_SIGINT", SIGINT},
    {"SIGNAL_SIGQUIT", SIGQUIT},
    {"SIGNAL_SIGUSR1", SIGUSR1},
    {"SIGNAL_SIGUSR2", SIGUSR2},
}};

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool is_given(const json::object& message, std::string_view name) {
  const json::value* value = message.if_contains(name);
  return value != nullptr && !value->is_null();
}

std::string number_text(std::uint64_t number) { return std::to_string(number); }

json::object in_event(std::string_view name, json::object content) {
  return {{"event", json::object{{name, std::move(content)}}}};
}

// As Go words it: clients show it to people.
json::object end_content(int wait_status) {
  if (WIFEXITED(wait_status)) {
    const int code = WEXITSTATUS(wait_status);
    json::object end{
        {"exitCode", code}, {"exited", true}, {"status", "exit status " + std::to_string(code)}};
    if (code != 0) end["error"] = end["status"];
    return end;
  }
  const char* name = strsignal(WTERMSIG(wait_status));
  const std::string words = "signal: " + to_lower(name ? name : "unknown");
  return {{"exitCode", -1}, {"exited", false}, {"status", words}, {"error", words}};
}

std::string_view output_name(OutputKind kind) {
  switch (kind) {
    case OutputKind::standard_output:
      return "stdout";
    case OutputKind::standard_error:
      return "stderr";
    default:
      return "pty";
  }
}

Result<void> read_arguments(const json::object& process, ProcessSpec& spec) {
  const json::array* args = json::array_at(process, "args");
  if (args == nullptr) return {};
  if (args->size() > kArgumentsMax) return fail(Code::invalid, "There are too many args.");
  for (const json::value& arg : *args) {
    if (!arg.is_string()) return fail(Code::invalid, "args holds something that is no text.");
    spec.arguments.push_back(json::to_string(arg.get_string()));
  }
  return {};
}

Result<void> read_variables(const json::object& process, ProcessSpec& spec) {
  const json::object* envs = json::object_at(process, "envs");
  if (envs == nullptr) return {};
  if (envs->size() > kEnvVarsMax) return fail(Code::invalid, "There are too many envs.");
  for (const auto& member : *envs) {
    if (!member.value().is_string()) return fail(Code::invalid, "envs holds no text.");
    spec.env.emplace_back(member.key(), json::to_string(member.value().get_string()));
  }
  return {};
}

}  // namespace

Result<ProcessSpec> read_process_spec(const json::object& message, std::string user) {
  const json::object* process = json::object_at(message, "process");
  ProcessSpec spec;
  spec.user = std::move(user);
  if (process != nullptr) spec.program = json::text_at(*process, "cmd");
  if (process == nullptr || spec.program.empty()) return fail(Code::invalid, "cmd is missing.");
  CHECK_OK(read_arguments(*process, spec));
  CHECK_OK(read_variables(*process, spec));
  spec.cwd = json::text_at(*process, "cwd");
  spec.is_shell = json::flag_at(*process, "shell");
  spec.is_exec = spec.is_shell && json::flag_at(*process, "exec");
  spec.tag = json::text_at(message, "tag");
  if (spec.tag.size() > kTagBytesMax) return fail(Code::invalid, "The tag is too long.");
  // Missing means yes: old clients know no such field.
  const json::value* with_stdin = message.if_contains("stdin");
  spec.with_stdin = with_stdin == nullptr || !with_stdin->is_bool() || with_stdin->get_bool();
  if (is_given(message, "stdinData")) {
    spec.stdin_data = base64_decode(json::text_at(message, "stdinData"));
    if (!spec.stdin_data) return fail(Code::invalid, "stdinData takes base64.");
  }
  if (is_given(message, "pty")) {
    TRY(size, read_terminal_size(message));
    spec.terminal = size;
  }
  if (has_nul(spec.program) || has_nul(spec.cwd) || std::ranges::any_of(spec.arguments, has_nul)) {
    return fail(Code::invalid, "A NUL character is not allowed.");
  }
  return spec;
}

Result<StreamWish> read_stream_wish(const json::object& message) {
  StreamWish wish{.since = {},
                  .offsets = json::flag_at(message, "offsets"),
                  .may_skip = json::flag_at(message, "skip")};
  if (is_given(message, "since")) {
    wish.since = uint64_at(message, "since");
    if (!wish.since) return fail(Code::invalid, "since takes the offset of a byte.");
    wish.offsets = true;
  }
  // Who may be overtaken must be able to see it.
  if (wish.may_skip) wish.offsets = true;
  return wish;
}

Result<ProcessSelector> read_selector(const json::object& message) {
  const json::object* selector = json::object_at(message, "process");
  if (selector == nullptr) return fail(Code::invalid, "process is missing.");
  const auto pid = json::integer_at(*selector, "pid");
  if (pid < 0 || !std::in_range<pid_t>(pid)) {
    return fail(Code::not_found, "There is no such process.");
  }
  return ProcessSelector{.pid = static_cast<pid_t>(pid),
                         .tag = std::string(json::text_at(*selector, "tag"))};
}

Result<ProcessInput> read_input(const json::object& message) {
  const json::object* input = json::object_at(message, "input");
  if (input == nullptr) return fail(Code::invalid, "input is missing.");
  const bool to_terminal = input->contains("pty");
  auto bytes = base64_decode(json::text_at(*input, to_terminal ? "pty" : "stdin"));
  if (!bytes) return fail(Code::invalid, "input.stdin and input.pty take base64.");
  return ProcessInput{.to_terminal = to_terminal, .bytes = *std::move(bytes)};
}

Result<int> read_signal(const json::object& message) {
  const auto word = json::text_at(message, "signal");
  const auto number = json::integer_at(message, "signal");
  for (const SignalRow& row : kSignals) {
    if (word == row.word || number == row.number) return row.number;
  }
  return fail(Code::invalid, "signal takes SIGNAL_SIGTERM or SIGNAL_SIGKILL.");
}

Result<TerminalSize> read_terminal_size(const json::object& message) {
  const json::object* pty = json::object_at(message, "pty");
  const json::object* size = pty ? json::object_at(*pty, "size") : nullptr;
  if (size == nullptr) return fail(Code::invalid, "pty.size is missing.");
  const auto columns = json::integer_at(*size, "cols"), rows = json::integer_at(*size, "rows");
  // Out of range stays out of range.
  const auto clamp = [](std::int64_t side) {
    return static_cast<int>(std::clamp<std::int64_t>(side, 0, kTerminalSideMax + 1));
  };
  const TerminalSize terminal{.columns = clamp(columns), .rows = clamp(rows)};
  CHECK_OK(check_size(terminal));
  return terminal;
}

namespace {

json::object end_of(const Process& process, int wait_status) {
  json::object end = end_content(wait_status);
  if (process.spec().is_shell) end["cwd"] = process.cwd();
  if (process.timed_out()) end["timedOut"] = true;
  if (process.out_of_memory()) end["outOfMemory"] = true;
  return end;
}

}  // namespace

json::object write_start_event(const Process& process, const StreamWish& wish,
                               std::uint64_t offset) {
  json::object start{{"pid", process.pid()}};
  if (process.spec().is_shell) start["cwd"] = process.cwd();
  if (wish.offsets) start["offset"] = number_text(offset);
  return in_event("start", std::move(start));
}

json::object write_keepalive_event() { return in_event("keepalive", {}); }

json::object write_event(const ProcessEvent& event, const Process& process,
                         const StreamWish& wish) {
  using Kind = ProcessEvent::Kind;
  if (event.kind == Kind::gap) {
    return in_event("gap",
                    {{"from", number_text(event.lost_from)}, {"to", number_text(event.offset)}});
  }
  json::object content =
      event.kind == Kind::end
          ? end_of(process, event.wait_status)
          : json::object{{output_name(event.output), base64_encode(event.bytes)}};
  if (wish.offsets) content["offset"] = number_text(event.offset);
  if (wish.offsets && event.kind == Kind::end && WIFSIGNALED(event.wait_status)) {
    content["signal"] = WTERMSIG(event.wait_status);
  }
  return in_event(event.kind == Kind::end ? "end" : "data", std::move(content));
}

json::object write_config(const ProcessSpec& spec) {
  json::object envs;
  for (const auto& [name, value] : spec.env) envs[name] = value;
  return {{"cmd", spec.program},
          {"args", json::array(spec.arguments.begin(), spec.arguments.end())},
          {"envs", std::move(envs)},
          {"cwd", spec.cwd}};
}

json::object write_process(const Process& process, bool with_details) {
  const ProcessSpec& spec = process.spec();
  json::object written{{"config", write_config(spec)}, {"pid", process.pid()}};
  if (!spec.tag.empty()) written["tag"] = spec.tag;
  if (!with_details) return written;
  written["user"] = spec.user;
  written["pty"] = spec.terminal.has_value();
  written["startedAt"] = to_rfc3339(process.started_at());
  written["begin"] = number_text(process.output().begin());
  written["offset"] = number_text(process.output().end());
  if (const auto status = process.wait_status()) {
    json::object end = end_of(process, *status);
    if (WIFSIGNALED(*status)) end["signal"] = WTERMSIG(*status);
    written["end"] = std::move(end);
  }
  return written;
}

}  // namespace matrx::agent
