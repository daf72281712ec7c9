#pragma once
// What a home consists of, as values: what a scan finds, what a manifest says, what a store lists.

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace matrx {

// The user of every sandbox, and its group.
inline constexpr std::uint32_t kAgentUid = 1000;

enum class NodeKind { file, folder, link };

struct HomeNode {
  NodeKind kind = NodeKind::file;
  std::uint32_t mode = 0644;  // permission bits, with setuid, setgid and sticky
  std::uint32_t uid = kAgentUid, gid = kAgentUid;
  std::int64_t modified_ns = 0;  // since 1970
  std::int64_t changed_ns = 0;   // st_ctime on this host's disk; means nothing elsewhere
  std::int64_t size_bytes = 0;   // of a file
  std::int64_t hole_bytes = 0;   // of these: what lies on no disk, and reads as zeros
  std::string target;            // of a link
  std::string tag;               // of a file in the store: changes with its content
  std::string writer;            // the sandbox that stored it; empty: somebody else
  bool operator==(const HomeNode&) const = default;
};

// At most INT64_MAX: a hostile home's sparse files have any size that they like.
constexpr std::int64_t add_capped(std::int64_t a, std::int64_t b) {
  return b > INT64_MAX - a ? INT64_MAX : a + b;
}

// By path relative to the home: "a/b", bytes as the kernel has them, never empty, no "." or "..".
// Folders are nodes of their own, so that empty ones survive.
using HomeTree = std::map<std::string, HomeNode>;

// What was found in a home at one moment.
struct HomeScan {
  HomeTree tree;
  std::int64_t bytes = 0;       // of all files together, without their holes
  std::int64_t hole_bytes = 0;  // of sparse files
  std::size_t left_out = 0;     // FIFOs, sockets, devices, names too long
  std::size_t excluded = 0;     // that somebody's settings leave out
  bool was_moving = false;  // something vanished meanwhile: what is missing may be elsewhere in it
  bool is_cut = false;      // there is more than was asked for
  // The host was started anew since the home was made. Where it had lost power, the home may be
  // older than it was, or torn (core/home_doubts).
  bool is_after_restart = false;
  std::set<std::string> holed;  // then: the files with holes, which may be bytes that were lost
};

}  // namespace matrx
