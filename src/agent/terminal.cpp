#include "agent/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include <cerrno>
#include <cstring>

#include "agent/limits.hpp"

namespace matrx::agent {
namespace {

constexpr mode_t kSlaveMode = 0620;

winsize to_winsize(TerminalSize size) {
  winsize window{};
  window.ws_col = static_cast<unsigned short>(size.columns);
  window.ws_row = static_cast<unsigned short>(size.rows);
  return window;
}

std::unexpected<Error> no_terminal() {
  return fail(Code::exhausted, std::string("A terminal cannot be opened: ") + strerror(errno));
}

// Without looking up a path: what lies at /dev/pts may be anything.
Descriptor open_slave(int master) {
#ifdef TIOCGPTPEER
  Descriptor slave(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (slave) return slave;
#endif
  char name[64];
  if (::ptsname_r(master, name, sizeof name) != 0) return Descriptor();
  return Descriptor(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

Result<void> check_size(TerminalSize size) {
  const auto is_good = [](int side) { return side >= 1 && side <= kTerminalSideMax; };
  if (is_good(size.columns) && is_good(size.rows)) return {};
  return fail(Code::invalid, "The terminal's cols and rows are between 1 and " +
                                 std::to_string(kTerminalSideMax) + ".");
}

Result<Terminal> Terminal::open(TerminalSize size, const User& user) {
  CHECK_OK(check_size(size));
  Terminal terminal;
  terminal.master = Descriptor(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!terminal.master) return no_terminal();
  int unlocked = 0;
  if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlocked) != 0) return no_terminal();
  terminal.slave = open_slave(terminal.master.get());
  if (!terminal.slave) return no_terminal();
  // Without the capability it stays ours: the command has it open, that is enough for most.
  (void)!::fchown(terminal.slave.get(), user.uid, static_cast<gid_t>(-1));
  (void)!::fchmod(terminal.slave.get(), kSlaveMode);
  CHECK_OK(resize_terminal(terminal.master.get(), size));
  return terminal;
}

Result<void> resize_terminal(int master, TerminalSize size) {
  CHECK_OK(check_size(size));
  const winsize window = to_winsize(size);
  if (::ioctl(master, TIOCSWINSZ, &window) == 0) return {};
  return fail(Code::unavailable, std::string("The terminal keeps its size: ") + strerror(errno));
}

}  // namespace matrx::agent
