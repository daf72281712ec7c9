#pragma once
// Users and groups of the image, read by hand: getpwnam() needs shared libraries that a static
// program must not lean on.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace matrx::agent {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;           // absolute
  std::string shell;          // absolute
  std::vector<gid_t> groups;  // supplementary
};

// One line of /etc/passwd; nothing where it is a comment or broken.
std::optional<User> parse_passwd_line(std::string_view line);

// The user of that name, else of that number. First match counts, as in the C library.
std::optional<User> find_user(std::string_view passwd, std::string_view who);

// Groups of /etc/group that list the user, without the primary one.
std::vector<gid_t> find_groups(std::string_view group_file, std::string_view name, gid_t primary);

// The files are read again for each question: commands add users.
class Users {
 public:
  explicit Users(std::string etc = "/etc") : etc_(std::move(etc)) {}

  // By name or number; "" is the default user: agent, else uid 1000, else root. root always
  // exists. not_found: no such user.
  Result<User> find(std::string_view who) const;

 private:
  std::string etc_;
};

// A regular file's first kEtcFileBytesMax bytes; "" where it cannot be read.
std::string read_small_file(const std::string& path);

}  // namespace matrx::agent
