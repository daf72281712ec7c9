#include "base/child_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

extern char** environ;

namespace matrx {
namespace {

constexpr auto kEndPoll = std::chrono::milliseconds(20);

std::vector<char*> pointers(std::vector<std::string>& lines) {
  std::vector<char*> all;
  all.reserve(lines.size() + 1);
  for (auto& line : lines) all.push_back(line.data());
  all.push_back(nullptr);
  return all;
}

// Appending, so that it can be emptied while it is being written.
Descriptor open_for_words(const std::string& path) {
  return Descriptor(::open(path.empty() ? "/dev/null" : path.c_str(),
                           O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.contains('/')) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path ? path : "/usr/bin:/bin", ':')) {
    const std::string full = std::string(folder) + "/" + name;
    if (::access(full.c_str(), X_OK) == 0) return full;
  }
  return "";
}

std::vector<std::string> child_environment(const std::vector<std::string_view>& unwanted,
                                           const std::vector<std::string>& added) {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text = *line;
    const bool is_unwanted =
        text.starts_with("MATRX_") || std::ranges::any_of(unwanted, [&](std::string_view begin) {
          return text.starts_with(begin);
        });
    if (!is_unwanted) lines.emplace_back(text);
  }
  lines.insert(lines.end(), added.begin(), added.end());
  return lines;
}

Result<void> ChildProcess::start(std::vector<std::string> arguments,
                                 std::vector<std::string> environment, const std::string& errors_to,
                                 const std::string& output_to) {
  const Descriptor nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Descriptor errors = open_for_words(errors_to), output = open_for_words(output_to);
  if (!nowhere || !errors || !output) return file_error("open " + errors_to + " " + output_to);
  auto argv = pointers(arguments);
  auto envp = pointers(environment);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return file_error("fork");
  if (child == 0) {
    // Only what is safe after a fork. It must not outlive us, also where we are killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::setsid();
    ::dup2(nowhere.get(), STDIN_FILENO);
    ::dup2(output.get(), STDOUT_FILENO);
    ::dup2(errors.get(), STDERR_FILENO);
    ::signal(SIGPIPE, SIG_DFL);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  pid_ = child;
  return {};
}

bool ChildProcess::is_running() {
  if (pid_ == 0) return false;
  if (::waitpid(pid_, &status_, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

void ChildProcess::end(std::chrono::milliseconds patience) {
  if (pid_ == 0) return;
  if (patience.count() > 0) ::kill(pid_, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (is_running() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kEndPoll);
  }
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
  pid_ = 0;
}

}  // namespace matrx
