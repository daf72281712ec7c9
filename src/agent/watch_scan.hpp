#pragma once
// Putting folders under inotify: blocking, with the rights of the thread it runs on.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/file_error.hpp"

namespace matrx::agent {

// What a watched folder may tell.
extern const std::uint32_t kWatchMask;

struct WatchScan {
  std::vector<std::pair<int, std::string>> folders;  // watch descriptor, path below the root
  std::vector<std::string> names;                    // what is in them, as paths below the root
  bool complete = true;  // false: too many folders, or the kernel watches no more
};

// Watches root/top, and where `recursive` every folder in it; each is watched before it is read,
// so that what comes into being meanwhile is in `names` or will be told, or both. Fails only if
// root/top itself cannot be watched.
struct WatchOrder {
  std::string root;  // absolute
  std::string top;   // below the root: where to begin
  bool recursive = false;
  bool list_names = false;
  std::size_t folders_max = 0;
};
FileResult<WatchScan> scan_and_watch(int inotify, const WatchOrder& order);

// Network file systems tell nothing of what others do on them.
bool is_on_network(const std::string& path);

// "a" and "b" → "a/b"; "" and "b" → "b".
std::string below(const std::string& folder, const std::string& name);

}  // namespace matrx::agent
