#include "agent/exec.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "agent/capture.hpp"
#include "agent/limits.hpp"
#include "agent/metrics.hpp"
#include "async/as_tuple.hpp"
#include "base/limits.hpp"

namespace matrx::agent {
namespace {

int to_exit_code(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

Task<void> write_input(asio::posix::stream_descriptor writing, std::string data) {
  // A command that does not read its input, or ends before, is not an error.
  (void)co_await asio::async_write(writing, asio::buffer(data), kAsTuple);
}

}  // namespace

Task<Result<ExecOutcome>> Exec::run(ExecSpec spec) {
  const auto begun = std::chrono::steady_clock::now();
  auto found = users_.find(spec.user.empty() ? settings_.default_user : spec.user);
  if (!found) co_return fail(Code::invalid, found.error().message);
  const User& user = *found;
  CO_TRY(command, shell_.command(spec.command, spec.cwd, spec.env, user));
  CO_TRY(out, Pipe::make());
  CO_TRY(err, Pipe::make());
  command.standard_output = std::move(out.writing);
  command.standard_error = std::move(err.writing);
  Pipe in;
  if (spec.stdin_data) {
    CO_TRY(pipe, Pipe::make());
    in = std::move(pipe);
    command.standard_input = std::move(in.reading);
  } else {
    command.standard_input = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  const Descriptor cwd_file(::dup(command.cwd_file.get()));
  const std::vector<std::string> directories = command.directories;

  Capture stdout_capture(executor_, std::move(out.reading), spec.output_bytes_max);
  Capture stderr_capture(executor_, std::move(err.reading), spec.output_bytes_max);
  const std::uint64_t oom_kills = count_oom_kills(root_);
  CO_TRY(tree, co_await trees_.start(std::move(command)));

  TaskGroup io(executor_);
  io.spawn("stdout", stdout_capture.read_to_end());
  io.spawn("stderr", stderr_capture.read_to_end());
  if (in.writing) {
    asio::posix::stream_descriptor writing(executor_, in.writing.release());
    io.spawn("stdin", write_input(std::move(writing), std::move(spec.stdin_data).value_or("")));
  }
  ExecOutcome outcome;
  co_await finish(spec, tree, outcome);
  io.cancel();
  co_await io.join();

  for (Capture* capture : {&stdout_capture, &stderr_capture}) {
    capture->drain();
    if (!capture->ended()) leftovers_.spawn("discard", Capture::discard(capture->release()));
  }
  outcome.out_of_memory = count_oom_kills(root_) > oom_kills;
  outcome.stdout_truncated = stdout_capture.truncated();
  outcome.stderr_truncated = stderr_capture.truncated();
  outcome.stdout_text = stdout_capture.take_text();
  outcome.stderr_text = stderr_capture.take_text();
  outcome.cwd =
      shell_.note_end(cwd_file, directories[static_cast<std::size_t>(tree->directory_index())]);
  outcome.duration =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  co_return outcome;
}

// Waits for the command's end, or brings it about.
Task<void> Exec::finish(const ExecSpec& spec, std::shared_ptr<Tree> tree, ExecOutcome& outcome) {
  if (!co_await tree->wait_exit(spec.timeout)) {
    outcome.timed_out = true;
    trees_.kill(tree);
    co_await tree->wait_gone(kKillAnswerWait);
  }
  outcome.exit_code =
      outcome.timed_out ? kTimedOutExitCode : to_exit_code(tree->exit_status().value_or(SIGKILL));
}

}  // namespace matrx::agent
