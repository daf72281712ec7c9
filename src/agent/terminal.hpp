#pragma once
// A pseudo terminal: the master is ours, the slave becomes the command's.

#include "agent/users.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {

struct TerminalSize {
  int columns = 0, rows = 0;
};

// invalid: a side is not between 1 and kTerminalSideMax.
Result<void> check_size(TerminalSize size);

struct Terminal {
  Descriptor master, slave;

  // The slave belongs to the user, so that programs can open it again by its name. exhausted: the
  // kernel gives no more.
  static Result<Terminal> open(TerminalSize size, const User& user);
};

// Whoever is in the foreground of the terminal hears of it.
Result<void> resize_terminal(int master, TerminalSize size);

}  // namespace matrx::agent
