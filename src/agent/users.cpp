#include "agent/users.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "agent/limits.hpp"
#include "base/descriptor.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

// The number that no process may have (it means "unchanged" to setresuid).
constexpr unsigned kNoId = 0xFFFFFFFF;

std::optional<unsigned> parse_id(std::string_view text) {
  unsigned id = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (ec != std::errc() || end != text.data() + text.size() || id == kNoId) return std::nullopt;
  return id;
}

bool is_usable_path(std::string_view path) {
  return path.starts_with('/') && path.find('\0') == std::string_view::npos;
}

// Calls use(line) until it answers true.
template <class F>
void for_each_line(std::string_view text, F use) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (use(text.substr(0, end)) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

template <class F>
std::optional<User> first_user(std::string_view passwd, F matches) {
  std::optional<User> found;
  for_each_line(passwd, [&](std::string_view line) {
    auto user = parse_passwd_line(line);
    if (user && matches(*user)) found = std::move(user);
    return found.has_value();
  });
  return found;
}

User root_without_passwd() {
  return {.name = "root", .uid = 0, .gid = 0, .home = "/root", .shell = "/bin/sh", .groups = {}};
}

}  // namespace

std::optional<User> parse_passwd_line(std::string_view line) {
  if (line.starts_with('#')) return std::nullopt;
  const auto fields = split(line, ':');
  if (fields.size() != 7 || fields[0].empty()) return std::nullopt;
  const auto uid = parse_id(fields[2]), gid = parse_id(fields[3]);
  if (!uid || !gid || fields[0].find('\0') != std::string_view::npos) return std::nullopt;
  User user;
  user.name = fields[0];
  user.uid = *uid;
  user.gid = *gid;
  user.home = is_usable_path(fields[5]) ? fields[5] : "/";
  const auto shell = trim(fields[6]);
  user.shell = is_usable_path(shell) ? shell : "/bin/sh";
  return user;
}

std::optional<User> find_user(std::string_view passwd, std::string_view who) {
  if (who.empty()) return std::nullopt;
  auto user = first_user(passwd, [&](const User& u) { return u.name == who; });
  if (user) return user;
  const auto uid = parse_id(who);
  if (!uid) return std::nullopt;
  return first_user(passwd, [&](const User& u) { return u.uid == *uid; });
}

std::vector<gid_t> find_groups(std::string_view group_file, std::string_view name, gid_t primary) {
  std::vector<gid_t> groups;
  for_each_line(group_file, [&](std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() != 4 || line.starts_with('#')) return false;
    const auto gid = parse_id(fields[2]);
    if (!gid || *gid == primary || std::ranges::find(groups, *gid) != groups.end()) return false;
    const auto members = split(trim(fields[3]), ',');
    if (std::ranges::find(members, name) != members.end()) groups.push_back(*gid);
    return groups.size() >= kGroupsMax;
  });
  return groups;
}

std::string read_small_file(const std::string& path) {
  // Root in the sandbox may have put a pipe there: never wait for one.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const auto size = std::min(static_cast<std::size_t>(info.st_size), kEtcFileBytesMax);
  std::string text(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(file.get(), text.data() + have, size - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

Result<User> Users::find(std::string_view who) const {
  const std::string passwd = read_small_file(etc_ + "/passwd");
  std::optional<User> user;
  if (!who.empty()) {
    user = find_user(passwd, who);
  } else {
    user = find_user(passwd, "agent");
    if (!user) user = find_user(passwd, "1000");
    if (!user) who = "root";
  }
  if (!user && (who == "root" || who == "0")) user = find_user(passwd, who);
  if (!user && (who == "root" || who == "0")) user = root_without_passwd();
  if (!user) {
    const auto shown = to_valid_utf8(std::string(who.substr(0, 64)));
    return fail(Code::not_found, "There is no user '" + shown + "' in the sandbox.");
  }
  user->groups = find_groups(read_small_file(etc_ + "/group"), user->name, user->gid);
  return *std::move(user);
}

}  // namespace matrx::agent
