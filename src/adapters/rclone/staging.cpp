#include "adapters/rclone/staging.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "adapters/rclone/object_names.hpp"
#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/remove_tree.hpp"
#include "base/text.hpp"

namespace matrx::rclone {
namespace {

namespace fs = std::filesystem;

class Md5 {
 public:
  Md5() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr);
  }
  void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    return hex_encode(std::span(digest).first(size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

constexpr const char* kNoRoom =
    "The disk of the host is full: a save needs room for a copy of the largest file it sends.";
constexpr std::int64_t kShareOfFree = 4;  // the rest is for those who work on this disk

// How many bytes of copies may lie there at once, and one file more.
std::int64_t room(const std::string& folder) {
  struct statvfs disk{};
  if (::statvfs(folder.c_str(), &disk) != 0) return kStagedBytesMax;
  const auto free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  return std::min(kStagedBytesMax, free / kShareOfFree);
}

struct Copied {
  std::int64_t bytes = 0;
  std::string md5;
};

// Reads it, for its sum; it lies there under a second name.
Result<Copied> sum_file(int source) {
  Copied linked;
  Md5 md5;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t count =
        ::pread(source, buffer.data(), buffer.size(), static_cast<off_t>(linked.bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("read");
    if (count == 0) break;
    md5.add({buffer.data(), static_cast<std::size_t>(count)});
    linked.bytes += count;
  }
  linked.md5 = md5.hex();
  linked.bytes = 0;  // it takes no room
  return linked;
}

Result<Copied> copy_file(int source, const std::string& target, Sources sources) {
  std::error_code ec;
  fs::create_directories(fs::path(target).parent_path(), ec);
  if (ec) {
    errno = ec.value();
    return file_error("make the folder of " + target);
  }
  const Descriptor folder{
      ::open(fs::path(target).parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return file_error("open the folder of " + target);
  const std::string name = fs::path(target).filename().string();
  if (sources == Sources::at_rest && link_where_scarce(source, folder.get(), name)) {
    return sum_file(source);
  }
  if (!has_room_for_copy(source, folder.get())) return fail(Code::exhausted, kNoRoom, target);
  const Descriptor copy{::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!copy) return file_error("write " + target);
  Copied copied;
  Md5 md5;
  CHECK_OK(copy_bytes(source, copy.get(), [&](std::string_view piece) {
    md5.add(piece);
    copied.bytes += static_cast<std::int64_t>(piece.size());
  }));
  copied.md5 = md5.hex();
  return copied;
}

// not_found: there is no such file any more. conflict: a program holds it, or has made it larger
// than it was when it was found to fit.
Result<Copied> copy_from(const Wanted& wanted, const std::string& path, const std::string& target,
                         Sources sources) {
  TRY(opened, open_regular_file(wanted.folder, path));
  const Descriptor source{opened};
  struct stat info{};
  if (::fstat(source.get(), &info) != 0) return file_error("stat " + path);
  if (info.st_size > wanted.file_bytes_max) {
    return fail(Code::conflict, "The file grows while it is read.", path);
  }
  auto copied = copy_file(source.get(), target, sources);
  if (!copied) ::unlink(target.c_str());
  return copied;
}

}  // namespace

Result<Staging> Staging::make(const std::string& root, boost::asio::thread_pool& threads,
                              Sources sources) {
  const fs::path folder = fs::path(root) / SystemRandom().hex(8);
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (!ec) fs::permissions(root, fs::perms::owner_all, ec);
  if (ec) {
    errno = ec.value();
    return file_error("make the staging folder");
  }
  return Staging(folder.string(), threads, sources);
}

Staging::~Staging() {
  // What cannot be removed is removed at the next start.
  if (folder_.empty()) return;
  auto remove = [folder = std::move(folder_)] {
    [[maybe_unused]] const auto left = remove_tree(folder);
  };
  boost::asio::post(*threads_, std::move(remove));
}

void Staging::clear() const {
  [[maybe_unused]] const auto left = remove_tree(folder_);
  std::error_code ec;
  fs::create_directories(folder_, ec);
}

Result<Staging::Taken> Staging::take(const Wanted& wanted, std::size_t first) const {
  const std::int64_t bytes_max = room(folder_);
  std::int64_t bytes = 0;
  Taken taken;
  for (std::size_t next = first; next < wanted.paths.size(); ++next, ++taken.paths) {
    const std::string& path = wanted.paths[next];
    const bool is_enough = taken.paths >= kStagedFilesMax || bytes >= bytes_max;
    if (is_enough && !taken.files.empty()) break;
    const auto key = key_of(path, wanted.prefix_bytes);
    if (!key) continue;
    auto copied = copy_from(wanted, path, (fs::path(folder_) / *key).string(), sources_);
    if (!copied && copied.error().code == Code::not_found) continue;
    if (!copied && copied.error().code == Code::conflict) {
      ++taken.held;
      continue;
    }
    if (!copied) {
      // What has found room goes first, and makes room.
      if (copied.error().code == Code::exhausted && !taken.files.empty()) break;
      if (copied.error().code == Code::exhausted) copied.error().message = kNoRoom;
      return std::unexpected(copied.error());
    }
    bytes += copied->bytes;
    taken.files.push_back({.path = path, .key = *key, .md5 = std::move(copied->md5)});
  }
  return taken;
}

}  // namespace matrx::rclone
