#pragma once
// What a command finds in its environment.

#include <string>
#include <string_view>
#include <vector>

#include "agent/users.hpp"
#include "model/sandbox.hpp"

namespace matrx::agent {

// The container's own variables, then the user's (HOME, USER, LOGNAME, SHELL), a PATH and a
// language where the image sets none, then `added`; each overrides what came before. No TERM:
// there is no terminal. Entries with an empty name, '=' or NUL in the name, or NUL in the value
// are left out.
Pairs login_environment(const Pairs& own, const User& user, const Pairs& added);

// "NAME=value" lines as execve() wants them, and the reverse for environ.
std::vector<std::string> to_lines(const Pairs& environment);
Pairs from_lines(const char* const* lines);

// The value of the last entry of that name; "" where there is none.
std::string_view value_of(const Pairs& environment, std::string_view name);

// "~", "~/x" and relative paths start at the home; absolute ones stay.
std::string resolve_directory(const User& user, std::string_view path);

}  // namespace matrx::agent
