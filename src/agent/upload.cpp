#include "agent/upload.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "agent/file_operations.hpp"
#include "base/random.hpp"

namespace matrx::agent {
namespace {

constexpr std::string_view kNewPrefix = ".matrx-upload-n-";
constexpr std::string_view kReplacingPrefix = ".matrx-upload-r-";
constexpr mode_t kFileMode = 0666;  // less the umask
constexpr int kNameTries = 8;

// What the path leads to: writing through a link keeps the link.
std::string behind_links(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  return real ? std::string(real.get()) : path;
}

}  // namespace

std::string temporary_upload_name(Upload::Kind kind) {
  const auto prefix = kind == Upload::replaces ? kReplacingPrefix : kNewPrefix;
  return std::string(prefix) + SystemRandom().hex(8);
}

std::optional<Upload::Kind> upload_of_temporary_name(std::string_view name) {
  if (name.starts_with(kNewPrefix)) return Upload::is_new;
  if (name.starts_with(kReplacingPrefix)) return Upload::replaces;
  return std::nullopt;
}

FileResult<Upload> Upload::begin(const std::string& path) {
  using ErrorKind = FileError::Kind;
  CHECK_OK(make_parents(path));
  Upload upload(path, behind_links(path));
  struct stat old{};
  const bool exists = ::lstat(upload.target_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) {
    return file_fail(ErrorKind::wrong_type, "'" + path + "' is a folder.");
  }
  if (exists && !S_ISREG(old.st_mode)) {
    return file_fail(ErrorKind::wrong_type, "'" + path + "' is not a regular file.");
  }
  const auto slash = upload.target_.rfind('/');
  const std::string folder = slash == 0 ? "/" : upload.target_.substr(0, slash);
  upload.folder_ = Descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!upload.folder_) return file_fail(errno, folder);
  const char* name = upload.target_.c_str() + slash + 1;
  if (exists) {
    // A file that may not be written may not be replaced either; one that runs may.
    const Descriptor writable(
        ::openat(upload.folder_.get(), name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (!writable && errno != ETXTBSY) return file_fail(errno, path);
  }
  for (int i = 0; i < kNameTries && !upload.file_; ++i) {
    upload.temporary_ = temporary_upload_name(exists ? replaces : is_new);
    upload.file_ =
        Descriptor(::openat(upload.folder_.get(), upload.temporary_.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
    if (!upload.file_ && errno != EEXIST) break;
  }
  if (!upload.file_) return file_fail(errno, path);
  if (exists) (void)!::fchmod(upload.file_.get(), old.st_mode & 07777);
  return upload;
}

void Upload::drop() {
  if (!file_) return;
  ::unlinkat(folder_.get(), temporary_.c_str(), 0);
  file_.reset();
}

FileResult<void> Upload::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_fail(errno, path_);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

FileResult<bool> Upload::set_attribute(const std::string& name, const std::string& value) {
  if (::fsetxattr(file_.get(), name.c_str(), value.data(), value.size(), 0) == 0) return true;
  if (errno == EOPNOTSUPP) return false;
  return file_fail(errno, path_);
}

FileResult<void> Upload::finish() {
  // A delayed allocation may find the disk full only now.
  const int closed = ::close(file_.release());
  const std::string name = target_.substr(target_.rfind('/') + 1);
  if (closed == 0 &&
      ::renameat(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str()) == 0) {
    return {};
  }
  const int error = errno;
  ::unlinkat(folder_.get(), temporary_.c_str(), 0);
  return file_fail(error, path_);
}

}  // namespace matrx::agent
