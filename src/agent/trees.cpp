#include "agent/trees.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/limits.hpp"
#include "agent/proc_table.hpp"
#include "async/as_tuple.hpp"
#include "base/log.hpp"

namespace matrx::agent {
namespace {

constexpr int kKilledStatus = SIGKILL;  // the wait status of a process that SIGKILL ended

std::vector<char*> to_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Nothing to change then: a container without capabilities could not even set its own groups.
bool is_ourselves(const User& user) { return user.uid == ::geteuid() && user.gid == ::getegid(); }

// All signals blocked while it lives: none may reach a child that still has our handlers.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

// --- Tree --------------------------------------------------------------------------------------

Tree::Tree(Executor executor, Descriptor control) : control_(executor, control.release()) {}

void Tree::order(const Order& order) {
  if (!gone_) ::send(control_.native_handle(), &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Tree::take(const Report& report) {
  switch (report.kind) {
    case Report::Kind::started:
      started_ = true;
      pid_ = report.a;
      directory_index_ = report.b;
      break;
    case Report::Kind::failed:
      failed_step_ = static_cast<LaunchStep>(report.a);
      failed_error_ = report.b;
      gone_ = true;
      break;
    case Report::Kind::exited:
      exit_status_ = report.a;
      break;
    case Report::Kind::kill_failed:
      log::error("processes outlived their end", {{"pid", pid_}, {"count", report.a}});
      break;
    case Report::Kind::gone:
      gone_ = true;
      break;
  }
  changed_.notify();
}

Task<bool> Tree::wait_exit(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!exit_status_ && !gone_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return false;
    co_await changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
  co_return true;
}

Task<bool> Tree::wait_gone(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!gone_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return false;
    co_await changed_.wait(std::chrono::ceil<milliseconds>(left));
  }
  co_return true;
}

// --- Trees -------------------------------------------------------------------------------------

Task<Result<std::shared_ptr<Tree>>> Trees::start(Command command) {
  if (trees_.size() >= kTreesMax) {
    co_return fail(Code::exhausted, "Too many commands are running in the sandbox.");
  }
  if (::geteuid() != 0 && !is_ourselves(command.user)) {
    co_return fail(Code::invalid, "Commands cannot be run as '" + command.user.name +
                                      "': the agent itself is not root.");
  }
  CO_TRY(tree, fork_supervisor(command));
  command.standard_input.reset();
  command.standard_output.reset();
  command.standard_error.reset();
  tasks_.spawn("tree", follow(tree));
  const auto until = std::chrono::steady_clock::now() + kStartDeadline;
  while (!tree->started_ && !tree->gone_ && std::chrono::steady_clock::now() < until) {
    co_await tree->changed_.wait(kStartDeadline);
  }
  if (!tree->started_ && !tree->gone_) kill(tree);  // it must not run later, without an owner
  CO_CHECK(check_started(*tree, command));
  co_return std::move(tree);
}

Result<std::shared_ptr<Tree>> Trees::fork_supervisor(const Command& command) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(Code::exhausted, std::string("A command cannot be started: ") + strerror(errno));
  }
  Descriptor ours(ends[0]), theirs(ends[1]);
  const auto programs = to_pointers(command.programs);
  auto arguments = to_pointers(command.arguments);
  const auto environment = to_pointers(command.environment);
  const auto directories = to_pointers(command.directories);
  LaunchPlan plan{.programs = programs.data(),
                  .arguments = arguments.data(),
                  .named_after_program = command.named_after_program,
                  .environment = environment.data(),
                  .directories = directories.data(),
                  .change_user = !is_ourselves(command.user),
                  .uid = command.user.uid,
                  .gid = command.user.gid,
                  .groups = command.user.groups.data(),
                  .groups_count = command.user.groups.size(),
                  .stdio = {command.standard_input.get(), command.standard_output.get(),
                            command.standard_error.get()},
                  .cwd_file = command.cwd_file.get(),
                  .terminal = command.terminal,
                  .control = theirs.get()};
  pid_t supervisor = -1;
  {
    const SignalsBlocked blocked;
    supervisor = ::fork();
    if (supervisor == 0) supervise(plan);
  }
  if (supervisor < 0) {
    return fail(Code::exhausted, std::string("A command cannot be started: ") + strerror(errno));
  }
  auto tree = std::make_shared<Tree>(executor_, std::move(ours));
  tree->supervisor_ = supervisor;
  trees_.push_back(tree);
  return tree;
}

Result<void> Trees::check_started(const Tree& tree, const Command& command) const {
  if (tree.started_) return {};
  const std::string why = strerror(tree.failed_error_);
  switch (tree.failed_step_.value_or(LaunchStep::none)) {
    case LaunchStep::directory:
      return fail(Code::invalid, tree.failed_error_ == ENOENT
                                     ? "The working directory '" + command.directories.back() +
                                           "' does not exist in the sandbox."
                                     : "The working directory '" + command.directories.back() +
                                           "' cannot be entered: " + why + ".");
    case LaunchStep::program:
      return fail(Code::invalid,
                  "The program '" + command.arguments.front() + "' cannot be run: " + why + ".");
    case LaunchStep::fork:  // as where the supervisor's own fork meets the sandbox's limit
      return fail(Code::exhausted, "A command cannot be started: " + why + ".");
    case LaunchStep::none:
      return fail(Code::unavailable, tree.gone_ ? "The command's supervisor was killed."
                                                : "The command did not start in time.");
    default:
      return fail(Code::unavailable, "The command cannot be started: " + why + ".");
  }
}

// Listens to the supervisor until it ends.
Task<void> Trees::follow(std::shared_ptr<Tree> tree) {
  while (!tree->gone_) {
    const auto [ec] =
        co_await tree->control_.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec) break;
    Report report;
    const ssize_t size =
        ::recv(tree->control_.native_handle(), &report, sizeof report, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size != sizeof report) break;
    tree->take(report);
  }
  const bool by_surprise = !tree->gone_;
  if (!tree->exit_status_) tree->exit_status_ = kKilledStatus;
  tree->gone_ = true;
  trees_.remove(tree);
  boost::system::error_code ignored;
  tree->control_.close(ignored);
  tree->changed_.notify();
  if (by_surprise) co_await kill_orphans();
}

void Trees::kill(std::shared_ptr<Tree> tree) {
  tree->kill();
  tasks_.spawn("kill", kill_for_sure(std::move(tree)));
}

// A supervisor that was stopped, or hangs in a dead file system, obeys nobody: what it watched
// over comes to us when it is gone.
Task<void> Trees::kill_for_sure(std::shared_ptr<Tree> tree) {
  if (!co_await tree->wait_gone(kKillFallback)) ::kill(tree->supervisor_, SIGKILL);
}

// A supervisor was killed (by root in the sandbox): what it watched over is now our child.
Task<void> Trees::kill_orphans() {
  for (int round = 0; round < kOrphanRoundsMax; ++round) {
    std::vector<pid_t> supervisors;
    for (const auto& tree : trees_) supervisors.push_back(tree->supervisor_);
    std::ranges::sort(supervisors);
    const int found = kill_descendants(::getpid(), supervisors);
    reap();
    if (found <= 0) co_return;
    Notice pause;
    co_await pause.wait(kKillPause);
  }
}

Task<void> Trees::end_all(milliseconds grace) {
  const auto until = std::chrono::steady_clock::now() + grace;
  const std::vector<std::shared_ptr<Tree>> all(trees_.begin(), trees_.end());
  for (const auto& tree : all) tree->signal_all(SIGTERM);
  for (const auto& tree : all) {
    const auto left = until - std::chrono::steady_clock::now();
    co_await tree->wait_gone(std::chrono::ceil<milliseconds>(left));
  }
  for (const auto& tree : all) kill(tree);
  for (const auto& tree : all) co_await tree->wait_gone(kKillFallback + kKillAnswerWait);
}

void Trees::reap() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace matrx::agent
