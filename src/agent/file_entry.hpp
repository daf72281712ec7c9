#pragma once
// What is told of a file: EntryInfo of the protocol (client-contracts.md §1.8).

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>

#include "agent/file_error.hpp"
#include "agent/users.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

// Names of users and groups of the image, read once for each call that needs them.
class OwnerNames {
 public:
  explicit OwnerNames(std::string etc = "/etc") : etc_(std::move(etc)) {}
  std::string user(uid_t uid);
  std::string group(gid_t gid);

 private:
  using Names = std::map<unsigned, std::string>;
  std::string etc_;
  std::optional<Names> users_, groups_;
};

// "~", "~/x" and relative paths start at the home; "." and ".." are resolved as text, as the
// clients' own libraries do. invalid: empty, too long, or with a NUL.
FileResult<std::string> resolve_path(const User& user, std::string_view path);

// The entry of `name` in an open folder (AT_FDCWD: of an absolute path), shown under `path`.
// A link is told as one, with the type of its target.
FileResult<json::object> describe_entry(int folder, const std::string& name,
                                        const std::string& path, OwnerNames& names);
FileResult<json::object> describe_entry(const std::string& path, OwnerNames& names);

// Extended attributes of this prefix are the `metadata` of a file.
inline constexpr std::string_view kMetadataPrefix = "user.e2b.";

// "-rw-r--r--", and what stands before it as Go writes it: "dtrwxrwxrwx".
std::string permissions_text(mode_t mode);

}  // namespace matrx::agent
