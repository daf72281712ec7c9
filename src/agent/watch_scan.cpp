#include "agent/watch_scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <memory>

#include "agent/limits.hpp"

namespace matrx::agent {

const std::uint32_t kWatchMask = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM |
                                 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

namespace {

bool is_folder(int folder, const std::string& name) {
  struct stat info{};
  return ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

// Of a folder that is watched already: its names, and which of them are folders.
void read_folder(const WatchOrder& order, const std::string& path, const std::string& folder,
                 WatchScan& scan, std::deque<std::string>& waiting) {
  if (!order.recursive && !order.list_names) return;
  const int opened = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opened < 0 ? nullptr : ::fdopendir(opened),
                                                    ::closedir);
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = static_cast<const char*>(entry->d_name);
    if (name == "." || name == "..") continue;
    if (order.list_names) {
      if (scan.names.size() >= kListEntriesMax) {
        scan.complete = false;
        return;
      }
      scan.names.push_back(below(folder, name));
    }
    if (!order.recursive) continue;
    const bool unknown = entry->d_type == DT_UNKNOWN;
    if (entry->d_type != DT_DIR && !(unknown && is_folder(opened, name))) continue;
    if (scan.folders.size() + waiting.size() >= order.folders_max) {
      scan.complete = false;
      return;
    }
    waiting.push_back(below(folder, name));
  }
}

}  // namespace

std::string below(const std::string& folder, const std::string& name) {
  if (name.empty()) return folder;
  return folder.empty() ? name : folder + "/" + name;
}

FileResult<WatchScan> scan_and_watch(int inotify, const WatchOrder& order) {
  WatchScan scan;
  std::deque<std::string> waiting{order.top};
  while (!waiting.empty()) {
    const std::string folder = std::move(waiting.front());
    waiting.pop_front();
    const std::string path = folder.empty() ? order.root : below(order.root, folder);
    // Links lead in at the root only.
    const std::uint32_t mask = kWatchMask | (folder.empty() ? 0 : IN_DONT_FOLLOW);
    const int watch = ::inotify_add_watch(inotify, path.c_str(), mask);
    if (watch < 0 && scan.folders.empty()) return file_fail(errno == ENOSPC ? ENOMEM : errno, path);
    if (watch < 0) {
      if (errno == ENOSPC || errno == ENOMEM) scan.complete = false;
      continue;  // gone meanwhile, or not for this user to read
    }
    scan.folders.emplace_back(watch, folder);
    read_folder(order, path, folder, scan, waiting);
  }
  return scan;
}

bool is_on_network(const std::string& path) {
  // NFS, SMB, SMB2, CIFS, FUSE, Ceph, 9P
  constexpr std::array<std::uint32_t, 7> kTypes = {0x6969,     0x517B,     0xFE534D42, 0xFF534D42,
                                                   0x65735546, 0x00C36400, 0x01021997};
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return false;
  return std::ranges::find(kTypes, static_cast<std::uint32_t>(info.f_type)) != kTypes.end();
}

}  // namespace matrx::agent
