#include "base/mount_points.hpp"

#include <sys/mount.h>

#include <fstream>
#include <sstream>

namespace matrx {
namespace {

constexpr std::size_t kOctalDigits = 3;

// The kernel writes blanks, tabs, line breaks and backslashes as \040 and so on.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '\\' && i + kOctalDigits < text.size();
    out += coded ? static_cast<char>(std::stoi(text.substr(i + 1, kOctalDigits), nullptr, 8))
                 : text[i];
    if (coded) i += kOctalDigits;
  }
  return out;
}

// Calls see(point, rest of the line) for each mount.
void for_each_mount(auto see) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, point, rest;
    words >> id >> parent >> device >> root >> point;
    std::getline(words, rest);
    see(unescaped(point), rest);
  }
}

}  // namespace

bool is_shared_mount(const std::string& folder) {
  bool is_shared = false;
  for_each_mount([&](const std::string& point, const std::string& rest) {
    if (point == folder && rest.contains(" shared:")) is_shared = true;
  });
  return is_shared;
}

bool spreads_mounts(const std::string& folder) {
  std::size_t longest = 0;
  bool is_shared = false;
  for_each_mount([&](const std::string& point, const std::string& rest) {
    const std::string above = point.ends_with('/') ? point : point + "/";
    // Of several at the same point the last one is on top.
    if (!(folder + "/").starts_with(above) || above.size() < longest) return;
    longest = above.size();
    is_shared = rest.contains(" shared:");
  });
  return is_shared;
}

std::set<std::string> mount_points_below(const std::string& folder) {
  std::set<std::string> points;
  for_each_mount([&](const std::string& point, const std::string&) {
    if (point.starts_with(folder + "/")) points.insert(point);
  });
  return points;
}

void take_down_mount(const std::string& point) {
  while (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

}  // namespace matrx
