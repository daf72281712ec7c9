#pragma once
// A disk of its own for a test, so small that it can be filled. Needs the right to mount; without
// it is_there() is false, and the test is to be skipped.

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/descriptor.hpp"

namespace matrx {

class SmallDisk {
 public:
  explicit SmallDisk(const std::string& options) {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-disk-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    is_there_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (is_there_) ::umount2(folder_.c_str(), MNT_DETACH);
    ::rmdir(folder_.c_str());
  }

  bool is_there() const { return is_there_; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  const std::string& folder() const { return folder_; }

  // Takes every byte that is left.
  void fill(const std::string& name = "filler") const {
    const Descriptor file(
        ::open(path(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    std::string bytes(1024 * 1024, 'x');
    while (!bytes.empty()) {
      const auto written = ::write(file.get(), bytes.data(), bytes.size());
      if (written <= 0) bytes.resize(bytes.size() / 2);
    }
  }

  // Takes every inode that is left.
  void fill_inodes() const {
    for (int number = 0;; ++number) {
      const Descriptor file(
          ::open(path("inode-" + std::to_string(number)).c_str(), O_CREAT | O_CLOEXEC, 0600));
      if (!file) return;
    }
  }

 private:
  std::string folder_;
  bool is_there_ = false;
};

}  // namespace matrx
