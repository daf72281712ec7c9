#pragma once
// A tar archive → a folder, piece by piece. Blocking, with the rights of the thread it runs on.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/file_error.hpp"
#include "base/descriptor.hpp"
#include "wire/tar.hpp"

namespace matrx::agent {

// Nothing is ever written outside of the folder: every part of a path is opened by itself, and must
// be a folder and no link. Each file is whole or not there; the archive as such is not.
class ArchiveSink {
 public:
  // Makes the folder where it is missing. outside_links: links may lead anywhere (they are not
  // followed here in any case).
  static FileResult<ArchiveSink> open(const std::string& path, bool outside_links);
  ArchiveSink(ArchiveSink&&) = default;
  ArchiveSink& operator=(ArchiveSink&&) = delete;
  // Removes what there is of an unfinished file.
  ~ArchiveSink();

  // The next bytes of the archive. invalid: broken, or it names what is not allowed.
  FileResult<void> take(std::string_view bytes);
  // There are no more. invalid: something is missing.
  FileResult<void> finish();

  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Late {  // a folder that could not be filled with its own permissions and time
    std::string path;
    unsigned mode;
    std::int64_t modified;
  };

  ArchiveSink(Descriptor root, bool outside_links)
      : root_(std::move(root)), outside_links_(outside_links) {}

  FileResult<void> begin(const TarEntry& entry);
  FileResult<Descriptor> folder_of(const std::string& path, std::string& name);
  FileResult<void> make_folder(int folder, const std::string& name, const TarEntry& entry);
  FileResult<void> make_symlink(int folder, const std::string& name, const TarEntry& entry);
  FileResult<void> make_hard_link(int folder, const std::string& name, const TarEntry& entry);
  FileResult<void> begin_file(Descriptor folder, const std::string& name, const TarEntry& entry);
  FileResult<void> write(std::string_view bytes);
  FileResult<void> finish_file();

  Descriptor root_;
  bool outside_links_;
  TarReader reader_;
  std::uint64_t entries_ = 0, bytes_ = 0;
  std::vector<Late> folders_;
  // Of the file that is being written:
  Descriptor file_, file_folder_;
  std::string temporary_, file_name_;
  TarEntry file_entry_;
  std::uint64_t file_left_ = 0;
};

// The parts of a path in an archive; invalid: absolute, empty, with "..", or with a NUL.
FileResult<std::vector<std::string>> archive_parts(const std::string& path);

// Whether a link at `path` with this target stays below the root.
bool stays_inside(const std::string& path, const std::string& target);

}  // namespace matrx::agent
