#include "agent/processes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "agent/capture.hpp"
#include "agent/environment.hpp"
#include "async/as_tuple.hpp"

namespace matrx::agent {
namespace {

using asio::posix::stream_descriptor;

// PATH look-up as execvp() does it, ahead of the fork.
std::vector<std::string> candidates(const std::string& program, const Pairs& environment) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> paths;
  std::string_view rest = value_of(environment, "PATH");
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const auto folder = rest.substr(0, colon);
    if (!folder.empty()) paths.push_back(std::string(folder) + "/" + program);
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (paths.empty()) paths.push_back("/usr/bin/" + program);
  return paths;
}

Descriptor duplicate(const Descriptor& from) {
  return Descriptor(::fcntl(from.get(), F_DUPFD_CLOEXEC, 0));
}

// Our ends of what connects us with a process.
struct Ends {
  Descriptor in, out, err;  // of a terminal `out` alone: its master
};

// Three pipes, or a terminal.
Result<Ends> connect_stdio(const ProcessSpec& spec, Command& command) {
  Ends ours;
  if (spec.terminal) {
    TRY(terminal, Terminal::open(*spec.terminal, command.user));
    ours.out = std::move(terminal.master);
    command.terminal = true;
    command.standard_output = duplicate(terminal.slave);
    command.standard_error = duplicate(terminal.slave);
    command.standard_input = std::move(terminal.slave);
    return ours;
  }
  TRY(out, agent::Pipe::make());
  TRY(err, agent::Pipe::make());
  ours.out = std::move(out.reading);
  ours.err = std::move(err.reading);
  command.standard_output = std::move(out.writing);
  command.standard_error = std::move(err.writing);
  if (spec.with_stdin) {
    TRY(in, agent::Pipe::make());
    ours.in = std::move(in.writing);
    command.standard_input = std::move(in.reading);
  } else {
    command.standard_input = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return ours;
}

// Counted while a start is under way: many at once must not all pass the same check.
class Counted {
 public:
  Counted(std::size_t& count, bool really) : count_(count), by_(really ? 1 : 0) { count_ += by_; }
  ~Counted() { count_ -= by_; }
  Counted(const Counted&) = delete;

 private:
  std::size_t& count_;
  std::size_t by_;
};

}  // namespace

Result<void> Processes::check_room(const ProcessSpec& spec) const {
  std::size_t running = starting_, terminals = starting_terminals_;
  for (const auto& process : processes_) {
    if (process->ended()) continue;
    ++running;
    if (process->spec().terminal) ++terminals;
  }
  if (running >= kProcessesMax) {
    return fail(Code::exhausted, "Too many processes are running in the sandbox.");
  }
  if (spec.terminal && terminals >= kTerminalsMax) {
    return fail(Code::exhausted, "Too many terminals are open in the sandbox.");
  }
  return {};
}

Result<Command> Processes::make_command(const ProcessSpec& spec, User user) const {
  if (spec.is_shell) {
    return shell_.command(spec.program, spec.cwd.empty() ? std::nullopt : std::optional(spec.cwd),
                          spec.env, user);
  }
  Pairs environment = login_environment(settings_.environment, user, spec.env);
  if (spec.terminal && value_of(environment, "TERM").empty()) {
    environment.emplace_back("TERM", "xterm-256color");
  }
  Command command;
  command.programs = candidates(spec.program, environment);
  command.arguments = spec.arguments;
  command.arguments.insert(command.arguments.begin(), spec.program);
  command.environment = to_lines(environment);
  const std::string& cwd = spec.cwd.empty() ? settings_.default_workdir : spec.cwd;
  command.directories = {cwd.empty() ? user.home : resolve_directory(user, cwd)};
  command.user = std::move(user);
  return command;
}

Task<Result<std::unique_ptr<ProcessReader>>> Processes::start(ProcessSpec spec, bool may_skip) {
  CO_CHECK(check_room(spec));
  const Counted starting(starting_, true);
  const Counted starting_terminal(starting_terminals_, spec.terminal.has_value());
  auto user = users_.find(spec.user.empty() ? settings_.default_user : spec.user);
  if (!user) co_return fail(Code::unauthenticated, user.error().message);
  CO_TRY(command, make_command(spec, *std::move(user)));
  CO_TRY(ours, connect_stdio(spec, command));
  Descriptor cwd_file = command.cwd_file ? duplicate(command.cwd_file) : Descriptor();
  const std::vector<std::string> directories = command.directories;
  CO_TRY(tree, co_await trees_.start(std::move(command)));

  const auto entered = static_cast<std::size_t>(tree->directory_index());
  auto process = std::make_shared<Process>(std::move(spec), tree, budget_, directories.at(entered));
  process->cwd_file_ = std::move(cwd_file);
  const auto adopt = [this](Descriptor& end) -> Pipe {
    if (!end) return nullptr;
    return std::make_shared<stream_descriptor>(executor_, end.release());
  };
  const Pipe out = adopt(ours.out), err = adopt(ours.err);
  for (const Pipe& pipe : {out, err}) {
    if (pipe) pipe->non_blocking(true);
  }
  process->input_ = process->spec().terminal ? out : adopt(ours.in);
  processes_.push_back(process);
  auto reader = ProcessReader::make(process, 0, may_skip);
  tasks_.spawn("process", follow(process, out, err));
  if (process->spec().stdin_data) tasks_.spawn("stdin", feed(process));
  if (const auto timeout = process->spec().timeout) {
    tasks_.spawn("deadline", kill_after(process, *timeout));
  }
  co_return std::move(reader);
}

Result<std::shared_ptr<Process>> Processes::find(pid_t pid, std::string_view tag) const {
  // The last one started: a pid may have been given away again.
  for (auto it = processes_.rbegin(); it != processes_.rend(); ++it) {
    const bool matches = pid != 0 ? (*it)->pid() == pid : !tag.empty() && (*it)->spec().tag == tag;
    if (matches) return *it;
  }
  return fail(Code::not_found, "There is no such process.");
}

// A process that does not read holds this up until its end, and nobody else.
Task<void> Processes::feed(std::shared_ptr<Process> process) {
  const Pipe input = process->input_;
  const std::optional<std::string>& data = process->spec().stdin_data;
  if (input && data) (void)co_await process->write_all(input, *data);
  if (!process->spec().terminal) process->drop_input();
}

Task<void> Processes::kill_after(std::shared_ptr<Process> process, milliseconds timeout) {
  if (co_await process->tree_->wait_exit(timeout)) co_return;
  process->timed_out_ = true;
  trees_.kill(process->tree_);
}

// From the start to the end of a process.
Task<void> Processes::follow(std::shared_ptr<Process> process, Pipe out, Pipe err) {
  const bool terminal = process->spec().terminal.has_value();
  TaskGroup pumps(executor_);
  pumps.spawn("stdout",
              process->pump(out, terminal ? OutputKind::terminal : OutputKind::standard_output));
  if (err) pumps.spawn("stderr", process->pump(err, OutputKind::standard_error));
  while (!co_await process->tree_->wait_exit(kPingMax)) {
  }
  // What it wrote before its end comes before the end; what lives on and holds the pipes does not
  // hold the end up.
  process->exited_ = true;
  for (const Pipe& pipe : {out, err}) {
    boost::system::error_code ignored;
    if (pipe) pipe->cancel(ignored);
  }
  co_await pumps.join();
  if (process->spec().is_exec) {
    process->cwd_ = shell_.note_end(process->cwd_file_, process->cwd_);
  }
  process->cwd_file_ = {};
  process->end(process->tree_->exit_status().value_or(SIGKILL));
  for (const Pipe& pipe : {out, err}) {
    if (pipe && pipe->is_open()) tasks_.spawn("discard", Capture::discard(std::move(*pipe)));
  }
  keep_ended(process);
}

void Processes::keep_ended(std::shared_ptr<Process> process) {
  ended_.push_back({std::move(process), std::chrono::steady_clock::now()});
  while (too_much_is_kept()) {
    processes_.remove(ended_.front().process);
    ended_.pop_front();
  }
  if (!std::exchange(forgetting_, true)) tasks_.spawn("forget", forget_ended());
}

bool Processes::too_much_is_kept() const {
  std::size_t bytes = 0;
  for (const Ended& one : ended_) bytes += one.process->output().cost();
  return ended_.size() > kEndedMax || (bytes > kEndedBytesMax && ended_.size() > 1);
}

Task<void> Processes::forget_ended() {
  asio::steady_timer timer(executor_);
  while (!ended_.empty()) {
    timer.expires_at(ended_.front().at + kEndedKept);
    co_await timer.async_wait(kAsTuple);
    const auto now = std::chrono::steady_clock::now();
    while (!ended_.empty() && ended_.front().at + kEndedKept <= now) {
      processes_.remove(ended_.front().process);
      ended_.pop_front();
    }
  }
  forgetting_ = false;
}

}  // namespace matrx::agent
