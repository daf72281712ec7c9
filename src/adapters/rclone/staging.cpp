#include "adapters/rclone/staging.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>

#include "adapters/rclone/object_names.hpp"
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
    std::string out;
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (unsigned i = 0; i < size; ++i) {
      out += kDigits[digest[i] >> 4U];
      out += kDigits[digest[i] & 15U];
    }
    return out;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

Result<Staging> Staging::make(const std::string& root) {
  const fs::path folder = fs::path(root) / SystemRandom().hex(8);
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (!ec) fs::permissions(root, fs::perms::owner_all, ec);
  if (ec) return fail(Code::unavailable, "The staging folder cannot be made.", ec.message());
  return Staging(folder.string());
}

Staging::~Staging() {
  // What cannot be removed is removed at the next start.
  if (folder_.empty()) return;
  [[maybe_unused]] const auto left = remove_tree(folder_);
}

void Staging::clear() const {
  [[maybe_unused]] const auto left = remove_tree(folder_);
  std::error_code ec;
  fs::create_directories(folder_, ec);
}

Result<std::size_t> Staging::take(const std::string& from_folder,
                                  const std::vector<std::string>& paths, std::size_t first,
                                  std::size_t prefix_bytes, std::vector<StagedFile>& staged) const {
  std::int64_t bytes = 0;
  std::size_t next = first;
  for (; next < paths.size(); ++next) {
    const std::string& path = paths[next];
    if (next - first >= kStagedFilesMax || bytes >= kStagedBytesMax) break;
    const auto key = key_of(path, prefix_bytes);
    if (!key) continue;
    const auto opened = open_regular_file(from_folder, path);
    if (!opened && opened.error().code == Code::not_found) continue;
    if (!opened) return std::unexpected(opened.error());
    const Descriptor source{*opened};
    const fs::path target = fs::path(folder_) / *key;
    std::error_code ec;
    fs::create_directories(target.parent_path(), ec);
    const Descriptor copy{::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (copy.number < 0) return file_error("write " + target.string());
    Md5 md5;
    CHECK_OK(
        copy_bytes(source.number, copy.number, [&](std::string_view piece) { md5.add(piece); }));
    struct stat info{};
    if (::fstat(copy.number, &info) == 0) bytes += info.st_size;
    staged.push_back({.path = path, .key = *key, .md5 = md5.hex()});
  }
  return next - first;
}

}  // namespace matrx::rclone
