#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace matrx {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }

 private:
  int number_;
};

bool write_all(int to, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(to, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

std::unexpected<Error> file_error(const std::string& doing) {
  const int why = errno;
  std::string internal = doing + ": " + std::strerror(why);
  if (why == ENOSPC || why == EDQUOT) {
    return fail(Code::exhausted, "The disk is full.", std::move(internal));
  }
  if (why == ENOENT) return fail(Code::not_found, "There is no such file.", std::move(internal));
  return fail(Code::unavailable, "The disk does not work.", std::move(internal));
}

Result<void> replace_file(const std::string& path, const std::string& text) {
  const fs::path folder = fs::path(path).parent_path();
  std::error_code ec;
  fs::create_directories(folder, ec);
  const std::string part = path + ".part";
  const Descriptor file(
      ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file || !write_all(file.get(), text) || ::fsync(file.get()) != 0 ||
      ::rename(part.c_str(), path.c_str()) != 0) {
    return file_error("write " + path);
  }
  const Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return file_error("sync " + folder.string());
  return {};
}

Result<std::optional<std::string>> read_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<std::string>();
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return file_error("read " + path);
  if (info.st_size < 0 || static_cast<std::size_t>(info.st_size) > bytes_max) {
    return fail(Code::unavailable, "A file of ours is too large.", path);
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("read " + path);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return std::optional<std::string>(std::move(text));
}

}  // namespace matrx
