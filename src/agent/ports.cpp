#include "agent/ports.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>

#include "agent/kernel_files.hpp"
#include "agent/limits.hpp"
#include "agent/user_work.hpp"
#include "base/descriptor.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

constexpr std::string_view kListening = "0A";  // TCP_LISTEN

template <class N>
std::optional<N> number(std::string_view text, int base) {
  N value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (std::string_view word : split(line, ' ')) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

// Words of 32 bits in the machine's own order: "0100007F" is 127.0.0.1.
std::optional<std::string> address_text(std::string_view hex, bool six) {
  std::uint32_t parts[4] = {};
  const std::size_t count = six ? 4 : 1;
  if (hex.size() != count * 8) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    const auto part = number<std::uint32_t>(hex.substr(i * 8, 8), 16);
    if (!part) return std::nullopt;
    parts[i] = *part;
  }
  char text[INET6_ADDRSTRLEN];
  if (::inet_ntop(six ? AF_INET6 : AF_INET, parts, text, sizeof text) == nullptr) {
    return std::nullopt;
  }
  return text;
}

std::optional<Listener> parse_line(std::string_view line, bool six) {
  // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
  const auto fields = words(line);
  if (fields.size() < 10 || fields[3] != kListening) return std::nullopt;
  const auto colon = fields[1].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto address = address_text(fields[1].substr(0, colon), six);
  const auto port = number<std::uint16_t>(fields[1].substr(colon + 1), 16);
  const auto uid = number<uid_t>(fields[7], 10);
  const auto inode = number<std::uint64_t>(fields[9], 10);
  if (!address || !port || !uid || !inode) return std::nullopt;
  return Listener{.port = *port,
                  .address = *std::move(address),
                  .inode = *inode,
                  .uid = *uid,
                  .pid = 0,
                  .process = {}};
}

// The second number of "Uid:\t1000\t1000\t1000\t1000": the effective one.
std::optional<unsigned> id_in(std::string_view status, std::string_view name) {
  for (std::string_view line : split(status, '\n')) {
    if (!line.starts_with(name)) continue;
    const auto fields = split(line, '\t');
    return fields.size() < 3 ? std::nullopt : number<unsigned>(fields[2], 10);
  }
  return std::nullopt;
}

using Inodes = std::map<std::uint64_t, std::vector<Listener*>>;

// "socket:[1234]"
std::optional<std::uint64_t> socket_inode(int folder, const char* name) {
  char text[64];
  const ssize_t size = ::readlinkat(folder, name, text, sizeof text);
  constexpr std::string_view kBegin = "socket:[";
  const std::string_view link(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  if (!link.starts_with(kBegin) || !link.ends_with(']')) return std::nullopt;
  return number<std::uint64_t>(link.substr(kBegin.size(), link.size() - kBegin.size() - 1), 10);
}

void look_at(pid_t pid, const Inodes& wanted) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const std::string status = read_kernel_file(proc + "/status");
  const auto uid = id_in(status, "Uid:"), gid = id_in(status, "Gid:");
  if (!uid || !gid) return;
  const Identity identity(User{.name = {}, .uid = *uid, .gid = *gid});
  if (!identity.taken()) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir((proc + "/fd").c_str()), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const auto inode = socket_inode(::dirfd(folder.get()), entry->d_name);
    const auto found = inode ? wanted.find(*inode) : wanted.end();
    if (found == wanted.end()) continue;
    for (Listener* listener : found->second) {
      // The one that began it, not a child that has inherited it.
      if (listener->pid != 0 && listener->pid < pid) continue;
      listener->pid = pid;
      listener->process = to_valid_utf8(std::string(trim(read_kernel_file(proc + "/comm"))));
    }
  }
}

// Our own, and the engine's: Docker answers name queries of a container out of a process that is
// not in it, on an address of its own.
bool is_not_theirs(const Listener& listener) {
  constexpr std::string_view kEngineResolver = "127.0.0.11";
  const bool is_engines =
      listener.pid == 0 && listener.uid == 0 && listener.address == kEngineResolver;
  return is_engines || listener.pid == ::getpid();
}

}  // namespace

std::vector<Listener> parse_listeners(std::string_view text, bool six) {
  std::vector<Listener> found;
  for (std::string_view line : split(text, '\n')) {
    auto listener = parse_line(line, six);
    if (listener && found.size() < kListenersMax) found.push_back(*std::move(listener));
  }
  return found;
}

std::vector<Listener> find_listeners() {
  std::vector<Listener> found = parse_listeners(read_kernel_file("/proc/net/tcp"), false);
  auto six = parse_listeners(read_kernel_file("/proc/net/tcp6"), true);
  found.insert(found.end(), six.begin(), six.end());
  Inodes wanted;
  for (Listener& listener : found) wanted[listener.inode].push_back(&listener);
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  while (const dirent* entry = proc && !wanted.empty() ? ::readdir(proc.get()) : nullptr) {
    if (const auto pid = number<pid_t>(static_cast<const char*>(entry->d_name), 10)) {
      look_at(*pid, wanted);
    }
  }
  std::erase_if(found, is_not_theirs);
  std::ranges::sort(found, {}, [](const Listener& l) { return std::pair(l.port, l.address); });
  return found;
}

json::object describe_listeners(const std::vector<Listener>& listeners) {
  OwnerNames names;
  json::array ports;
  for (const Listener& listener : listeners) {
    json::object one{{"port", listener.port},
                     {"address", listener.address},
                     {"uid", listener.uid},
                     {"user", names.user(listener.uid)}};
    if (listener.pid != 0) {
      one["pid"] = listener.pid;
      one["process"] = listener.process;
    }
    ports.push_back(std::move(one));
  }
  return {{"ports", std::move(ports)}};
}

}  // namespace matrx::agent
