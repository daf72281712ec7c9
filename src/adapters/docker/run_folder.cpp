#include "adapters/docker/run_folder.hpp"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/mount_points.hpp"
#include "base/remove_tree.hpp"

namespace matrx::docker {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunOptions = "size=256k,nr_inodes=64,mode=755";  // it holds one socket

bool is_mounted(const std::string& folder, const std::string& run) {
  struct stat above{}, info{};
  return ::stat(folder.c_str(), &above) == 0 && ::stat(run.c_str(), &info) == 0 &&
         above.st_dev != info.st_dev;
}

// Whether the process that listens there has the mounts that we have. One in another container, or
// seen from within one, does not tell.
bool is_among_our_mounts(const std::string& socket) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (socket.empty() || socket.size() >= sizeof address.sun_path) return false;
  socket.copy(std::begin(address.sun_path), socket.size());
  const Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool is_known =
      ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
          0 &&
      ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  struct stat ours{}, theirs{};
  const std::string place = "/proc/" + std::to_string(peer.pid) + "/ns/mnt";
  return is_known && ::stat("/proc/self/ns/mnt", &ours) == 0 &&
         ::stat(place.c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino;
}

}  // namespace

Result<void> make_run_folder(const std::string& folder, unsigned owner,
                             const std::string& engine_socket) {
  const std::string run = folder + "/run";
  std::error_code ec;
  fs::create_directories(run, ec);
  if (!ec) fs::permissions(folder, fs::perms::owner_all, ec);
  if (ec) {
    errno = ec.value();
    return file_error("make " + run);
  }
  const bool is_seen = spreads_mounts(run) || is_among_our_mounts(engine_socket);
  if (is_seen && !is_mounted(folder, run)) {
    // Without the right to it: a plain folder.
    [[maybe_unused]] const int mounted =
        ::mount("matrx-run", run.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, kRunOptions);
  }
  if (owner != ::geteuid() && ::chown(run.c_str(), owner, owner) != 0)
    return file_error("give away " + run);
  return {};
}

std::error_code remove_run_folder(const std::string& folder) {
  take_down_mount(folder + "/run");
  // What a sandbox left there may be large; links in it are removed, not followed.
  return remove_tree(folder);
}

}  // namespace matrx::docker
