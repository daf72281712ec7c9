#pragma once
// Objects as files below a folder. Blocking: for a worker thread.
//
// The folder is ours, the names in it are users'. Nothing is followed through a link: every object
// is opened from the folder's descriptor with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).

#include <sys/stat.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "model/folder_page.hpp"
#include "model/home_tree.hpp"
#include "ports/storage.hpp"

namespace matrx {

class ObjectFiles {
 public:
  explicit ObjectFiles(std::string folder) : folder_(std::move(folder)) {}

  // too_large: more than a home may have.
  Result<HomeTree> list() const;
  // Files, and the bytes in them. too_large: folders with names beyond what may wait to be read.
  Result<StorageUsage> count() const;
  // not_found: there is no such folder.
  Result<FolderPage> list_folder(const FolderQuery& query) const;
  // not_found: it is no regular file.
  Result<HomeNode> stat(const std::string& path) const;

  // A file that is written beside its place and has not taken its name yet.
  struct Part {
    std::string path, part;
    std::string tag;  // that it will have
  };

  // Files that are written together.
  struct Batch {
    std::vector<Part> parts;
    Descriptor root;
    std::string name;         // how all of its parts begin
    std::string last_folder;  // of the part before: it is there
    bool durable = true;      // commit() returns when the disk has them
    std::map<std::pair<dev_t, ino_t>, std::string> linked;  // their tags, by file
    bool may_link = false;  // nobody changes the sources any more: see link_where_scarce
  };
  Result<Batch> begin(bool durable) const;
  // Takes the bytes of another file; commit() gives all parts their names. Without it they go.
  // conflict: a program holds it; then there is no such part.
  Result<void> write_part(Batch& batch, const std::string& path, int source) const;
  Result<void> commit(Batch& batch) const;
  static void discard(const Batch& batch);
  // Drops every part in the folders of these paths, whoever has left it. Only where nobody writes.
  void drop_parts(const std::vector<std::string>& paths) const;

  // With the folders above it that are empty then. Only where no sandbox can write.
  Result<void> remove(const std::string& path) const;
  Result<std::int64_t> remove_all() const;

  const std::string& folder() const { return folder_; }

 private:
  using See = std::function<Result<void>(std::string path, const struct stat& info)>;
  // Shows every file. waiting_bytes_max: of the paths of folders that are still to be read.
  Result<void> walk(std::size_t waiting_bytes_max, const See& see) const;
  static bool is_part(const std::string& name);  // of a file that is still being written
  static HomeNode node_of(const struct stat& info);
  static Result<void> note_linked(Batch& batch, Part part, int source);

  std::string folder_;
};

}  // namespace matrx
