#pragma once
// Commands for the image's shell, and the directory where the last one ended: the next one begins
// there. One for all users of a sandbox, as API.md has it.

#include <optional>
#include <string>

#include "agent/sandbox_settings.hpp"
#include "agent/trees.hpp"

namespace matrx::agent {

class Shell {
 public:
  explicit Shell(const SandboxSettings& settings) : settings_(settings) {}

  // `text` for bash, else sh; its standard streams are the caller's to set. cwd: nothing means
  // where the last command ended. exhausted: no descriptor is free.
  Result<Command> command(const std::string& text, const std::optional<std::string>& cwd,
                          const Pairs& env, const User& user) const;

  // Where a command ended, by the file that it had as cwd_file; began_in where it left no word.
  // The next command begins there.
  std::string note_end(const Descriptor& cwd_file, std::string began_in);

 private:
  const SandboxSettings& settings_;
  std::string last_cwd_;  // empty: none yet
};

}  // namespace matrx::agent
