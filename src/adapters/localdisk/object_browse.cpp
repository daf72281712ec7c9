// Looking at single folders and files of the storage.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "adapters/localdisk/object_files.hpp"
#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"

namespace matrx {

Result<FolderPage> ObjectFiles::list_folder(const FolderQuery& query) const {
  FolderPageMaker page(query);
  const Descriptor root(::open(folder().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root && errno == ENOENT && query.folder.empty()) return page.take();
  const int opened = root ? open_beneath(root.get(), query.folder.empty() ? "." : query.folder,
                                         O_RDONLY | O_DIRECTORY)
                          : -1;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opened < 0 ? nullptr : ::fdopendir(opened),
                                                    &::closedir);
  // A link, a file, or nothing at all: no folder of ours.
  if (!entries) return fail(Code::not_found, "There is no such folder in the storage.");
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = static_cast<const char*>(entry->d_name);
    struct stat info{};
    if (name == "." || name == ".." || is_part(name) || !page.wants(query.prefix() + name) ||
        ::fstatat(::dirfd(entries.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    const std::string path = query.prefix() + name;
    if (path.size() >= kPathBytesMax) continue;
    if (S_ISREG(info.st_mode)) page.add(path, node_of(info));
    if (!S_ISDIR(info.st_mode)) continue;
    HomeNode node = node_of(info);
    node.kind = NodeKind::folder;
    node.mode = 0755;
    node.size_bytes = 0;
    node.tag.clear();
    page.add(path, node);
  }
  return page.take();
}

Result<HomeNode> ObjectFiles::stat(const std::string& path) const {
  const Descriptor root(::open(folder().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Descriptor file(root ? open_beneath(root.get(), path, O_PATH) : -1);
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(Code::not_found, "There is no such file.");
  }
  return node_of(info);
}

}  // namespace matrx
