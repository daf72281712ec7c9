#pragma once
// Settings from a file, which can be read again while the program runs; its environment cannot. The
// file is the one that systemd reads as EnvironmentFile, so it is understood in the same way.

#include <map>
#include <string>
#include <string_view>

#include "apps/orchestrator/config.hpp"

namespace matrx {

using Settings = std::map<std::string, std::string>;

// NAME=value lines; comments begin with # or ;. Quotes and backslashes as in systemd.exec(5).
// invalid: which line is no such line.
Result<Settings> parse_settings(std::string_view text);

// The same environment with what the file says that MATRX_SETTINGS_FILE names; the file goes first.
// invalid, unavailable: one line that says why it cannot be read.
Result<Environment> with_settings_file(const Environment& environment);

}  // namespace matrx
