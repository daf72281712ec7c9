#include "agent/file_entry.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <memory>
#include <vector>

#include "agent/environment.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace matrx::agent {
namespace {

constexpr mode_t kPermissionBits = 0777;
constexpr std::size_t kAttributeBytesMax = 4096;  // all names of a file; one value

std::map<unsigned, std::string> read_names(const std::string& file) {
  std::map<unsigned, std::string> names;
  const std::string text = read_small_file(file);
  for (std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    unsigned id = 0;
    if (fields.size() < 3 || fields[0].empty()) continue;
    const auto [end, ec] =
        std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), id);
    if (ec == std::errc() && end == fields[2].data() + fields[2].size()) {
      names.try_emplace(id, to_valid_utf8(std::string(fields[0])));
    }
  }
  return names;
}

std::string name_of(const std::map<unsigned, std::string>& names, unsigned id) {
  const auto found = names.find(id);
  return found != names.end() ? found->second : std::to_string(id);
}

std::string_view type_word(mode_t mode) {
  if (S_ISREG(mode)) return "FILE_TYPE_FILE";
  if (S_ISDIR(mode)) return "FILE_TYPE_DIRECTORY";
  if (S_ISLNK(mode)) return "FILE_TYPE_SYMLINK";
  return "FILE_TYPE_UNSPECIFIED";  // the protocol has no word for devices, pipes, sockets
}

std::string modified_text(const timespec& at) {
  // The protocol's years have four digits.
  constexpr std::int64_t kFirst = -62'135'596'800, kLast = 253'402'300'799;
  const auto whole = std::clamp<std::int64_t>(at.tv_sec, kFirst, kLast);
  return to_rfc3339(TimePoint(seconds(whole) + milliseconds(at.tv_nsec / 1'000'000)));
}

// Where a link leads in the end; where that is not there, what it says.
std::string target_of(int folder, const std::string& name, const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  if (real) return real.get();
  std::string text(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(folder, name.c_str(), text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

// Nothing where it has none, as nearly always.
json::object metadata_of(const std::string& path) {
  json::object metadata;
  std::array<char, kAttributeBytesMax> names;
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.data() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    if (!name.starts_with(kMetadataPrefix)) continue;
    std::array<char, kAttributeBytesMax> value;
    const ssize_t got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (got < 0) continue;
    metadata[name.substr(kMetadataPrefix.size())] =
        to_valid_utf8(std::string(value.data(), static_cast<std::size_t>(got)));
  }
  return metadata;
}

}  // namespace

std::string OwnerNames::user(uid_t uid) {
  if (!users_) users_ = read_names(etc_ + "/passwd");
  return name_of(*users_, uid);
}

std::string OwnerNames::group(gid_t gid) {
  if (!groups_) groups_ = read_names(etc_ + "/group");
  return name_of(*groups_, gid);
}

FileResult<std::string> resolve_path(const User& user, std::string_view path) {
  using Kind = FileError::Kind;
  if (path.empty()) return file_fail(Kind::invalid, "The path is empty.");
  if (path.find('\0') != std::string_view::npos) {
    return file_fail(Kind::invalid, "A path must not contain a NUL character.");
  }
  const std::string absolute = resolve_directory(user, path);
  std::vector<std::string_view> kept;
  for (std::string_view part : split(absolute, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string clean;
  for (std::string_view part : kept) clean.append("/").append(part);
  if (clean.empty()) clean = "/";
  if (clean.size() >= kPathBytesMax) return file_fail(Kind::invalid, "The path is too long.");
  return clean;
}

FileResult<json::object> describe_entry(int folder, const std::string& name,
                                        const std::string& path, OwnerNames& names) {
  struct stat info{};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    // A part of the path that is no folder: so nothing is there.
    return file_fail(errno == ENOTDIR ? ENOENT : errno, path);
  }
  const auto slash = path.rfind('/');
  json::object entry{
      {"name", to_valid_utf8(path == "/" ? path : path.substr(slash + 1))},
      {"type", type_word(info.st_mode)},
      {"path", to_valid_utf8(path)},
      {"size", std::to_string(info.st_size)},
      {"mode", info.st_mode & kPermissionBits},
      {"permissions", permissions_text(info.st_mode)},
      {"owner", names.user(info.st_uid)},
      {"group", names.group(info.st_gid)},
      {"modifiedTime", modified_text(info.st_mtim)},
  };
  if (S_ISREG(info.st_mode)) {
    if (auto metadata = metadata_of(path); !metadata.empty()) {
      entry["metadata"] = std::move(metadata);
    }
  }
  if (S_ISLNK(info.st_mode)) {
    struct stat target{};
    if (::fstatat(folder, name.c_str(), &target, 0) == 0) entry["type"] = type_word(target.st_mode);
    entry["symlinkTarget"] = to_valid_utf8(target_of(folder, name, path));
  }
  return entry;
}

FileResult<json::object> describe_entry(const std::string& path, OwnerNames& names) {
  return describe_entry(AT_FDCWD, path, path, names);
}

std::string permissions_text(mode_t mode) {
  std::string text;
  if (S_ISDIR(mode)) text += 'd';
  if (S_ISLNK(mode)) text += 'L';
  if (S_ISBLK(mode) || S_ISCHR(mode)) text += 'D';
  if (S_ISFIFO(mode)) text += 'p';
  if (S_ISSOCK(mode)) text += 'S';
  if (mode & S_ISUID) text += 'u';
  if (mode & S_ISGID) text += 'g';
  if (S_ISCHR(mode)) text += 'c';
  if (mode & S_ISVTX) text += 't';
  if (text.empty()) text += '-';
  constexpr std::string_view kLetters = "rwxrwxrwx";
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    text += mode & (0400U >> i) ? kLetters[i] : '-';
  }
  return text;
}

}  // namespace matrx::agent
