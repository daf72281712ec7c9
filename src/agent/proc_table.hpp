#pragma once
// A snapshot of /proc: who is whose child. Usable between fork and exec: memory comes from mmap,
// files are read with plain system calls, nothing is allocated and nothing throws.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace matrx::agent {

struct ProcEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  std::uint64_t started = 0;  // clock ticks after boot: with the pid it names one process
  char state = '?';
  enum class Side : char { unknown, inside, outside } side = Side::unknown;

  bool is_same(const ProcEntry& other) const {
    return pid == other.pid && started == other.started;
  }
};

// The fields of one /proc/<pid>/stat text; false where it is broken.
bool parse_stat(const char* text, std::size_t size, ProcEntry& entry);

class ProcTable {
 public:
  ProcTable() = default;
  ProcTable(const ProcTable&) = delete;
  ProcTable& operator=(const ProcTable&) = delete;
  ~ProcTable();

  // Reads all processes; false where /proc is not there or memory is short.
  bool read();

  // Keeps the descendants of `root`, without `root` and without `spared` (sorted by pid) and
  // whatever descends from those.
  void keep_descendants(pid_t root, std::span<const pid_t> spared);

  std::span<const ProcEntry> entries() const { return {entries_, count_}; }
  const ProcEntry* find(pid_t pid) const;

  void swap(ProcTable& other) noexcept;

 private:
  bool add(const ProcEntry& entry);
  bool read_folder(int folder);
  ProcEntry::Side side_of(std::size_t index, pid_t root, std::span<const pid_t> spared);
  ProcEntry* at(pid_t pid);

  ProcEntry* entries_ = nullptr;
  std::size_t count_ = 0;
  std::size_t capacity_ = 0;
};

// Sends the signal to that very process: not to another one that got its number meanwhile.
void signal_exactly(const ProcEntry& entry, int signal);

// One round of ending a tree: stops every descendant until no new one appears, so that none can
// slip away or free a slot for another, then kills all of them. Returns how many were found; the
// caller reaps, and comes again until it is 0. Negative: /proc cannot be read.
int kill_descendants(pid_t root, std::span<const pid_t> spared);

// Sends the signal to every descendant once.
void signal_descendants(pid_t root, int signal);

}  // namespace matrx::agent
