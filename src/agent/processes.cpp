#include "agent/processes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "agent/capture.hpp"
#include "agent/environment.hpp"
#include "agent/limits.hpp"
#include "async/clock.hpp"

namespace matrx::agent {
namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
using asio::posix::stream_descriptor;
using Kind = ProcessEvent::Kind;

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

}  // namespace

// --- ProcessReader -----------------------------------------------------------------------------

ProcessReader::ProcessReader(std::shared_ptr<Process> process) : process_(std::move(process)) {
  process_->readers_.push_back(this);
  if (const auto& end = process_->end_) events_.push_back({.kind = Kind::end, .wait_status = *end});
}

ProcessReader::~ProcessReader() {
  process_->readers_.remove(this);
  process_->changed_.notify();  // a slow one that leaves must not hold the process up any longer
}

Task<std::optional<ProcessEvent>> ProcessReader::next(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (events_.empty()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return std::nullopt;
    co_await process_->changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
  ProcessEvent event = std::move(events_.front());
  events_.pop_front();
  bytes_ -= event.bytes.size();
  if (bytes_ == 0) process_->changed_.notify();
  co_return event;
}

// --- Process -----------------------------------------------------------------------------------

Process::Process(Executor executor, ProcessSpec spec, std::shared_ptr<Tree> tree)
    : executor_(executor), spec_(std::move(spec)), tree_(std::move(tree)) {}

Task<Result<void>> Process::write_input(std::string bytes) {
  const auto turn = co_await input_turn_.take();  // two calls at once must not mix their bytes
  const auto input = input_;
  if (!input || end_) co_return fail(Code::conflict, "The input of the process is closed.");
  SystemClock clock;
  const auto written =
      co_await with_deadline(clock, kInputDeadline, write_all(input, std::move(bytes)));
  if (!written) co_return fail(Code::timeout, "The process does not read its input.");
  if (!*written) co_return fail(Code::conflict, "The input of the process is closed.");
  co_return Result<void>();
}

// Piece by piece: a close between two of them finds nothing to cancel, so each looks whether the
// input is still the one it writes to.
Task<bool> Process::write_all(std::shared_ptr<stream_descriptor> to, std::string bytes) {
  for (std::string_view rest = bytes; !rest.empty();) {
    if (input_ != to) co_return false;
    const auto [ec, count] = co_await to->async_write_some(asio::buffer(rest), kAsTuple);
    if (ec) co_return false;
    rest.remove_prefix(count);
  }
  co_return true;
}

void Process::close_input() {
  if (!input_) return;
  boost::system::error_code ignored;
  input_->cancel(ignored);  // whoever is writing learns that it is closed
  input_.reset();
}

bool Process::someone_is_behind() const {
  return std::ranges::any_of(readers_, [](const auto* r) { return r->bytes_ >= kReaderBytesMax; });
}

void Process::publish(const ProcessEvent& event) {
  for (ProcessReader* reader : readers_) {
    reader->bytes_ += event.bytes.size();
    reader->events_.push_back(event);
  }
  changed_.notify();
}

// Pipe → readers. Without a reader the bytes are dropped, so that the process does not block.
// Ends at the end of the pipe, or after the exit when nothing is left in it.
Task<void> Process::pump(stream_descriptor& from, Kind kind) {
  std::array<char, kChunkBytesMax> bytes;
  for (std::size_t drained = 0; drained < kDrainBytesMax;) {
    while (someone_is_behind()) co_await changed_.wait(kPingDefault);
    if (!exited_) {
      const auto [ec] = co_await from.async_wait(stream_descriptor::wait_read, kAsTuple);
      if (ec && !exited_) co_return;
    }
    const ssize_t count = ::read(from.native_handle(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      if (exited_) co_return;
      continue;
    }
    if (count <= 0) {
      from.close();
      co_return;
    }
    if (exited_) drained += static_cast<std::size_t>(count);
    publish({.kind = kind, .bytes = std::string(bytes.data(), static_cast<std::size_t>(count))});
  }
}

// --- Processes ---------------------------------------------------------------------------------

Task<Result<std::unique_ptr<ProcessReader>>> Processes::start(ProcessSpec spec) {
  if (processes_.size() >= kProcessesMax) {
    co_return fail(Code::exhausted, "Too many processes are running in the sandbox.");
  }
  auto user = users_.find(spec.user);
  if (!user) co_return fail(Code::unauthenticated, user.error().message);
  const Pairs environment = login_environment(environment_, *user, spec.env);
  CO_TRY(out, Pipe::make());
  CO_TRY(err, Pipe::make());
  Command command;
  command.programs = candidates(spec.program, environment);
  command.arguments = spec.arguments;
  command.arguments.insert(command.arguments.begin(), spec.program);
  command.environment = to_lines(environment);
  command.directories = {spec.cwd.empty() ? user->home : resolve_directory(*user, spec.cwd)};
  command.user = *user;
  command.standard_output = std::move(out.writing);
  command.standard_error = std::move(err.writing);
  Pipe in;
  if (spec.with_stdin) {
    CO_TRY(pipe, Pipe::make());
    in = std::move(pipe);
    command.standard_input = std::move(in.reading);
  } else {
    command.standard_input = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  CO_TRY(tree, co_await trees_.start(std::move(command)));
  auto process = std::make_shared<Process>(executor_, std::move(spec), tree);
  if (in.writing) {
    process->input_ = std::make_shared<stream_descriptor>(executor_, in.writing.release());
  }
  processes_.push_back(process);
  auto reader = std::make_unique<ProcessReader>(process);
  stream_descriptor from_out(executor_, out.reading.release());
  stream_descriptor from_err(executor_, err.reading.release());
  from_out.non_blocking(true);
  from_err.non_blocking(true);
  tasks_.spawn("process", keep_until_forgotten(process, std::move(from_out), std::move(from_err)));
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

Task<void> Processes::kill_after(std::shared_ptr<Process> process, milliseconds timeout) {
  if (!co_await process->tree_->wait_exit(timeout)) trees_.kill(process->tree_);
}

Task<void> Processes::keep_until_forgotten(std::shared_ptr<Process> process, stream_descriptor out,
                                           stream_descriptor err) {
  TaskGroup pumps(executor_);
  pumps.spawn("stdout", process->pump(out, Kind::standard_output));
  pumps.spawn("stderr", process->pump(err, Kind::standard_error));
  while (!co_await process->tree_->wait_exit(kPingMax)) {
  }
  // What it wrote before its end comes before the end; what lives on and holds the pipes does not
  // hold the end up.
  process->exited_ = true;
  for (stream_descriptor* pipe : {&out, &err}) {
    boost::system::error_code ignored;
    pipe->cancel(ignored);
  }
  co_await pumps.join();
  process->close_input();
  const int status = process->tree_->exit_status().value_or(SIGKILL);
  process->end_ = status;
  process->publish({.kind = Kind::end, .wait_status = status});
  for (stream_descriptor* pipe : {&out, &err}) {
    if (pipe->is_open()) tasks_.spawn("discard", Capture::discard(std::move(*pipe)));
  }
  asio::steady_timer rest(executor_, kEndedKept);
  co_await rest.async_wait(kAsTuple);
  processes_.remove(process);
}

}  // namespace matrx::agent
