#pragma once
// Our own: which TCP ports programs in the sandbox listen on, and who.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/file_entry.hpp"

namespace matrx::agent {

struct Listener {
  std::uint16_t port = 0;
  std::string address;  // "127.0.0.1", "::", …
  std::uint64_t inode = 0;
  uid_t uid = 0;
  // Who holds it, where that can be seen:
  pid_t pid = 0;
  std::string process;
};

// Listening sockets in the text of /proc/net/tcp or tcp6; broken lines are passed over.
std::vector<Listener> parse_listeners(std::string_view text, bool six);

// Those of this sandbox, without our own; sorted by port. Blocking; takes on the identity of other
// processes' users, because only so their descriptors can be seen without a capability.
std::vector<Listener> find_listeners();

// {"ports": [{port, address, uid, user, pid?, process?}]}
json::object describe_listeners(const std::vector<Listener>& listeners);

}  // namespace matrx::agent
