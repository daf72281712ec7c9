#include "adapters/homes/after_restart.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/descriptor.hpp"
#include "base/files.hpp"

namespace matrx {
namespace {

Descriptor open_home(const std::string& home) {
  return Descriptor(::open(home.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Descriptor open_folder_of(int home, const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  return Descriptor(open_beneath(home, folder, O_PATH | O_DIRECTORY));
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::set<std::string> find_holes(const std::string& home, const HomeTree& tree) {
  std::set<std::string> holed;
  const Descriptor root = open_home(home);
  if (!root) return holed;
  for (const auto& [path, node] : tree) {
    if (node.kind != NodeKind::file || node.size_bytes == 0) continue;
    const Descriptor file(open_beneath(root.get(), path, O_RDONLY | O_NONBLOCK));
    if (file && has_holes(file.get(), node.size_bytes)) holed.insert(path);
  }
  return holed;
}

Result<void> rename_in_home(const std::string& home,
                            const std::vector<std::pair<std::string, std::string>>& renames) {
  const Descriptor root = open_home(home);
  if (!root) return file_error("open " + home);
  for (const auto& [from, to] : renames) {
    const Descriptor old_folder = open_folder_of(root.get(), from);
    const Descriptor new_folder = open_folder_of(root.get(), to);
    if (old_folder && new_folder &&
        ::renameat2(old_folder.get(), last_part(from).c_str(), new_folder.get(),
                    last_part(to).c_str(), RENAME_NOREPLACE) == 0) {
      continue;
    }
    if (errno == ENOSPC || errno == EDQUOT) return file_error("rename " + from + " to " + to);
    return fail(Code::unavailable, "A file of the home cannot be renamed.",
                from + " to " + to + ": " + std::strerror(errno));
  }
  return {};
}

}  // namespace matrx
