#pragma once
// Files inside a sandbox, as callers see them. Nothing here is to be believed by the host: it comes
// from the inside.

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"

namespace matrx {

enum class FileType { file, folder, other };

struct FileEntry {
  std::string path, name;
  FileType type = FileType::file;  // of a link: its target's
  std::int64_t size = 0;
  std::uint32_t mode = 0;  // permission bits
  std::string permissions, owner, group;
  std::optional<TimePoint> modified_at;
  std::optional<std::string> link_target;
};

enum class FileChangeKind { create, write, remove, rename, chmod };

// What a watch tells.
struct FileChange {
  enum class Kind { change, overflow, quiet };
  Kind kind = Kind::quiet;  // overflow: something was lost, look yourself
  FileChangeKind change = FileChangeKind::write;
  std::string name;  // relative to the watched folder
  std::optional<FileEntry> entry;
};

struct ListeningPort {
  int port = 0;
  std::string address, user, process;
  std::optional<int> pid;
};

// What a sandbox uses at one moment. Bytes, but for cpus and percent (of all its cpus).
struct MachineUsage {
  TimePoint at;
  double cpus = 0, cpu_percent = 0;
  std::optional<microseconds> cpu_time = {};  // since the start; nothing: its agent does not tell
  std::int64_t memory_used = 0, memory_total = 0;
  std::int64_t disk_used = 0, disk_total = 0;
  std::int64_t received = 0, sent = 0;
  std::int64_t processes = 0;
};

}  // namespace matrx
