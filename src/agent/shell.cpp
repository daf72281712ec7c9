#include "agent/shell.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/environment.hpp"
#include "agent/limits.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

// Writes the shell's last directory to descriptor 198 (a memfd), through /proc because dash knows
// no descriptors above 9. ">|" overrides noclobber. A command that sets its own EXIT trap, or
// replaces its shell by exec, leaves nothing: the cwd stays.
constexpr std::string_view kCwdTrap =
    "trap '{ command pwd >|/proc/$$/fd/198; } 2>/dev/null' EXIT\n";
static_assert(kCwdFile == 198);

Result<Descriptor> make_cwd_file() {
  Descriptor file(::memfd_create("cwd", MFD_CLOEXEC));
  // Any user's shell opens it anew.
  if (!file || ::fchmod(file.get(), 0666) != 0) {
    return fail(Code::exhausted, "A command cannot be started: no descriptor is free.");
  }
  return file;
}

// What the trap wrote; empty where it did not, or wrote something that is no path.
std::string read_cwd(int file) {
  std::string text(kCwdBytesMax + 1, '\0');
  const ssize_t count = ::pread(file, text.data(), text.size(), 0);
  if (count <= 0 || static_cast<std::size_t>(count) > kCwdBytesMax) return {};
  text.resize(static_cast<std::size_t>(count));
  if (text.ends_with('\n')) text.pop_back();
  const bool is_path = text.starts_with('/') && text.find('\0') == std::string::npos;
  return is_path && utf8_length(text) ? text : std::string();
}

}  // namespace

Result<Command> Shell::command(const std::string& text, const std::optional<std::string>& cwd,
                               const Pairs& env, const User& user) const {
  Command command;
  TRY(cwd_file, make_cwd_file());
  command.cwd_file = std::move(cwd_file);
  command.programs = {"/bin/bash", "/usr/bin/bash", "/bin/sh"};
  command.named_after_program = true;
  command.arguments = {"sh", "-c", std::string(kCwdTrap) + text};
  command.environment = to_lines(login_environment(settings_.environment, user, env));
  command.user = user;
  if (cwd) {
    command.directories = {resolve_directory(user, *cwd)};
  } else {
    if (!last_cwd_.empty()) command.directories.push_back(last_cwd_);
    command.directories.push_back(user.home);
    command.directories.emplace_back("/");
  }
  return command;
}

std::string Shell::note_end(const Descriptor& cwd_file, std::string began_in) {
  const std::string cwd = read_cwd(cwd_file.get());
  if (cwd.empty() && !last_cwd_.empty()) return began_in;  // another's word stays
  last_cwd_ = cwd.empty() ? std::move(began_in) : cwd;
  return last_cwd_;
}

}  // namespace matrx::agent
