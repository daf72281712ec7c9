#include "adapters/guest/guest_socket.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace matrx {
namespace {

constexpr const char* kSocketName = "agent.sock";
constexpr int kBacklogTriesMax = 20;  // of an agent that is busy accepting
constexpr auto kBacklogPause = std::chrono::milliseconds(5);

class Fd {
 public:
  explicit Fd(int number) : number_(number) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  bool ok() const { return number_ >= 0; }

 private:
  int number_;
};

std::unexpected<Error> failure(const char* what) {
  return fail(Code::unavailable, "The guest agent cannot be reached.",
              std::string(what) + ": " + std::strerror(errno));
}

int open_beneath(int folder, const char* name) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, folder, name, &how, sizeof how));
}

}  // namespace

Result<int> connect_guest_socket(const std::filesystem::path& run_folder) {
  const Fd folder(::open(run_folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.ok()) return failure("run folder");
  const Fd place(open_beneath(folder.get(), kSocketName));
  if (!place.ok()) return failure("socket");
  struct stat info{};
  if (::fstat(place.get(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
    return fail(Code::unavailable, "The guest agent cannot be reached.", "not a socket");
  }
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.ok()) return failure("socket()");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place.get());
  // Immediate on a Unix socket; EAGAIN: its backlog is full.
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const bool busy = errno == EAGAIN;
    auto error = failure("connect");
    if (busy) error.error().code = Code::exhausted;
    return error;
  }
  return socket.release();
}

http::Connector guest_connector(std::filesystem::path run_folder) {
  return [folder = std::move(run_folder)] {
    return [](std::filesystem::path path) -> Task<Result<std::unique_ptr<http::Stream>>> {
      auto connected = connect_guest_socket(path);
      const auto is_busy = [&] { return !connected && connected.error().code == Code::exhausted; };
      for (int tries = 0; is_busy() && tries < kBacklogTriesMax; ++tries) {
        asio::steady_timer pause(co_await asio::this_coro::executor, kBacklogPause);
        co_await pause.async_wait(asio::use_awaitable);
        connected = connect_guest_socket(path);
      }
      CO_TRY(socket, std::move(connected));
      co_return http::adopt_socket(co_await asio::this_coro::executor, socket);
    }(folder);
  };
}

}  // namespace matrx
