#include "adapters/localdisk/object_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/remove_tree.hpp"
#include "base/time.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPartPrefix = ".matrx-part-";  // of a file that is still being written

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

std::string tag_of(const struct stat& info) {
  return std::to_string(info.st_size) + "-" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

std::unexpected<Error> too_much() {
  return fail(Code::too_large,
              "There are more files and folders, or longer names, than can be "
              "listed.");
}

}  // namespace

bool ObjectFiles::is_part(const std::string& name) { return name.starts_with(kPartPrefix); }

HomeNode ObjectFiles::node_of(const struct stat& info) {
  HomeNode node{.size_bytes = info.st_size, .hole_bytes = holes_of(info), .tag = tag_of(info)};
  node.modified_ns = info.st_mtim.tv_sec * kNsPerSecond + info.st_mtim.tv_nsec;
  return node;
}

// The folder may be one that a hostile sandbox is rearranging right now (large files): each folder
// is opened from the top, through no link.
Result<void> ObjectFiles::walk(std::size_t waiting_bytes_max, const See& see) const {
  const Descriptor root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root && errno == ENOENT) return {};
  if (!root) return file_error("open " + folder_);
  std::vector<std::string> waiting = {""};
  std::size_t waiting_bytes = 0;
  while (!waiting.empty()) {
    const std::string above = std::move(waiting.back());
    waiting.pop_back();
    waiting_bytes -= above.size();
    const int opened =
        open_beneath(root.get(), above.empty() ? "." : above, O_RDONLY | O_DIRECTORY);
    const Listing entries(opened < 0 ? nullptr : ::fdopendir(opened), &::closedir);
    if (!entries) continue;  // removed meanwhile, or no folder any more
    while (const dirent* entry = ::readdir(entries.get())) {
      const std::string name = static_cast<const char*>(entry->d_name);
      struct stat info{};
      if (name == "." || name == ".." || is_part(name) ||
          ::fstatat(::dirfd(entries.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      std::string path = above.empty() ? name : above + "/" + name;
      if (path.size() >= kPathBytesMax) continue;
      if (S_ISDIR(info.st_mode)) {
        waiting_bytes += path.size();
        waiting.push_back(path);
        if (waiting_bytes > waiting_bytes_max) return too_much();
      }
      if (S_ISREG(info.st_mode)) CHECK_OK(see(std::move(path), info));
    }
  }
  return {};
}

Result<HomeTree> ObjectFiles::list() const {
  HomeTree tree;
  std::size_t names_bytes = 0;
  const auto add = [&](std::string path, const struct stat& info) -> Result<void> {
    names_bytes += path.size();
    if (tree.size() >= kManifestNodesMax || names_bytes > kManifestNamesBytesMax) return too_much();
    tree.emplace(std::move(path), node_of(info));
    return {};
  };
  CHECK_OK(walk(kHomeNamesBytesMax, add));
  return tree;
}

Result<StorageUsage> ObjectFiles::count() const {
  StorageUsage usage;
  const auto add = [&usage](const std::string&, const struct stat& info) -> Result<void> {
    usage.total_size_bytes += info.st_size;
    ++usage.total_objects;
    return {};
  };
  CHECK_OK(walk(kCountedFoldersBytesMax, add));
  return usage;
}

Result<ObjectFiles::Batch> ObjectFiles::begin(bool durable) const {
  std::error_code ec;
  fs::create_directories(folder_, ec);
  if (ec) {
    errno = ec.value();
    return file_error("make " + folder_);
  }
  Batch batch;
  batch.root = Descriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!batch.root) return file_error("open " + folder_);
  batch.name = kPartPrefix + SystemRandom().hex(8) + "-";
  batch.durable = durable;
  return batch;
}

Result<void> ObjectFiles::write_part(Batch& batch, const std::string& path, int source) const {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  if (folder != batch.last_folder) {
    std::error_code ec;
    fs::create_directories(fs::path(folder_) / folder, ec);
    if (ec) {
      errno = ec.value();
      return file_error("make the folder of " + path);
    }
    batch.last_folder = folder;
  }
  Part part{.path = path, .part = folder + batch.name + std::to_string(batch.parts.size())};
  if (batch.may_link && link_where_scarce(source, batch.root.get(), part.part)) {
    return note_linked(batch, std::move(part), source);
  }
  if (!has_room_for_copy(source, batch.root.get())) {
    return fail(Code::exhausted, "The disk is too full for a copy of a file of the home.", path);
  }
  const Descriptor file(
      open_beneath(batch.root.get(), part.part, O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (!file) return file_error("write " + path);
  auto written = copy_bytes(source, file.get());
  struct stat info{};
  if (written && ::fstat(file.get(), &info) != 0) written = file_error("stat " + path);
  if (!written && written.error().code == Code::conflict) {
    ::unlinkat(batch.root.get(), part.part.c_str(), 0);
    return written;
  }
  part.tag = tag_of(info);
  batch.parts.push_back(std::move(part));
  return written;
}

// Its time tells this version from others, as a copy's would: it must not be one that a user chose.
Result<void> ObjectFiles::note_linked(Batch& batch, Part part, int source) {
  struct stat info{};
  bool is_noted = ::fstat(source, &info) == 0;
  const auto [known, is_first] = batch.linked.try_emplace({info.st_dev, info.st_ino});
  // Another name of the same file: one more touch would change what the first one was called.
  if (is_noted && is_first) {
    is_noted = ::futimens(source, nullptr) == 0 && ::fstat(source, &info) == 0;
    known->second = tag_of(info);
  }
  part.tag = known->second;
  std::string path = part.path;
  batch.parts.push_back(std::move(part));
  return is_noted ? Result<void>() : file_error("take over " + path);
}

Result<void> ObjectFiles::commit(Batch& batch) const {
  if (batch.parts.empty()) return {};
  const int root = batch.root.get();
  // All bytes first, then all names: whatever a crash cuts short, each name has its old or its new
  // content. Once for all of them, since waiting for the disk is what takes the time.
  if (batch.durable && ::syncfs(root) != 0) return file_error("sync " + folder_);
  for (const Part& part : batch.parts) {
    if (::renameat(root, part.part.c_str(), root, part.path.c_str()) != 0) {
      return file_error("rename to " + part.path);
    }
    // Two names of one file, of a try that was cut off: the rename has left both.
    if (batch.may_link) ::unlinkat(root, part.part.c_str(), 0);
  }
  if (batch.durable && ::syncfs(root) != 0) return file_error("sync " + folder_);
  return {};
}

void ObjectFiles::discard(const Batch& batch) {
  for (const Part& part : batch.parts) ::unlinkat(batch.root.get(), part.part.c_str(), 0);
}

void ObjectFiles::drop_parts(const std::vector<std::string>& paths) const {
  const Descriptor root(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return;
  std::set<std::string> folders;
  for (const auto& path : paths) folders.insert(fs::path(path).parent_path().string());
  for (const auto& folder : folders) {
    const int opened =
        open_beneath(root.get(), folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
    const Listing entries(opened < 0 ? nullptr : ::fdopendir(opened), &::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name.starts_with(kPartPrefix)) ::unlinkat(::dirfd(entries.get()), name.c_str(), 0);
    }
  }
}

Result<void> ObjectFiles::remove(const std::string& path) const {
  fs::path target = fs::path(folder_) / path;
  if (::unlink(target.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR) {
    return file_error("remove " + target.string());
  }
  for (target = target.parent_path(); target != folder_; target = target.parent_path()) {
    if (::rmdir(target.c_str()) != 0) break;  // not empty, or never there
  }
  return {};
}

Result<std::int64_t> ObjectFiles::remove_all() const {
  // What is too much to be counted goes as well.
  const auto used = count();
  if (!used && used.error().code != Code::too_large) return std::unexpected(used.error());
  const auto ec = remove_tree(folder_);
  if (ec && ec != std::errc::no_such_file_or_directory) {
    return fail(Code::unavailable, "The storage does not work.", folder_ + ": " + ec.message());
  }
  return used ? used->total_objects : 0;
}

}  // namespace matrx
