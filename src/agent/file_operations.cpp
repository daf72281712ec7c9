#include "agent/file_operations.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "agent/limits.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {
namespace {

using Kind = FileError::Kind;

constexpr mode_t kFolderMode = 0777;  // less the umask, as mkdir(1)

bool is_folder(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string child_path(const std::string& folder, const std::string& name) {
  return folder == "/" ? "/" + name : folder + "/" + name;
}

struct Entries {
  std::string text;
  std::size_t count = 0;
};

FileResult<void> list_into(Entries& entries, Descriptor folder, const std::string& path, int depth,
                           OwnerNames& names) {
  const int reading = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (reading < 0) return file_fail(errno, path);
  TRY(found, names_in(reading, path, kListEntriesMax + 1 - entries.count));
  std::ranges::sort(found);
  for (const std::string& name : found) {
    const std::string shown = child_path(path, name);
    auto entry = describe_entry(folder.get(), name, shown, names);
    if (!entry && entry.error().kind == Kind::not_found) continue;  // gone meanwhile
    if (!entry) return std::unexpected(entry.error());
    if (entries.count >= kListEntriesMax) {
      return file_fail(Kind::exhausted, "The folder holds more than " +
                                            std::to_string(kListEntriesMax) +
                                            " entries: list its parts.");
    }
    if (entries.count++ > 0) entries.text += ',';
    entries.text += json::serialize(*entry);
    if (depth <= 1) continue;
    Descriptor inner(::openat(folder.get(), name.c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    // No folder, a link to one, or none that this user may read: told, but not entered.
    if (inner) CHECK_OK(list_into(entries, std::move(inner), shown, depth - 1, names));
  }
  return {};
}

}  // namespace

FileResult<std::vector<std::string>> names_in(int folder, const std::string& path,
                                              std::size_t count_max) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(folder), ::closedir);
  if (!listing) return file_fail(errno, path);
  std::vector<std::string> names;
  while (names.size() < count_max) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr && errno != 0) return file_fail(errno, path);
    if (entry == nullptr) break;
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

FileResult<void> make_parents(const std::string& path) {
  const auto last = path.rfind('/');
  if (last == 0 || last == std::string::npos) return {};
  const std::string parent = path.substr(0, last);
  if (is_folder(parent)) return {};
  CHECK_OK(make_parents(parent));
  if (::mkdir(parent.c_str(), kFolderMode) == 0) return {};
  const int error = errno;
  if (error == EEXIST && is_folder(parent)) return {};  // somebody else was faster
  return file_fail(error == EEXIST ? ENOTDIR : error, parent);
}

FileResult<void> make_folder(const std::string& path) {
  CHECK_OK(make_parents(path));
  if (::mkdir(path.c_str(), kFolderMode) == 0) return {};
  const int error = errno;
  if (error == EEXIST && !is_folder(path)) return file_fail(ENOTDIR, path);
  return file_fail(error, path);
}

FileResult<void> move_file(const std::string& from, const std::string& to) {
  struct stat info{};
  if (::lstat(from.c_str(), &info) != 0) return file_fail(errno == ENOTDIR ? ENOENT : errno, from);
  CHECK_OK(make_parents(to));
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  if (errno == EXDEV) return move_across(from, to);
  return file_fail(errno, errno == ENOENT ? from : to);
}

FileResult<std::string> list_folder(const std::string& path, int depth, OwnerNames& names) {
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!folder) return file_fail(errno, path);
  Entries entries;
  const int levels = std::clamp(depth, 1, kListDepthMax);
  CHECK_OK(list_into(entries, std::move(folder), path, levels, names));
  return "[" + entries.text + "]";
}

}  // namespace matrx::agent
