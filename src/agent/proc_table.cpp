#include "agent/proc_table.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/limits.hpp"

namespace matrx::agent {
namespace {

constexpr std::size_t kFirstEntries = 1024;
constexpr std::size_t kStatBytes = 512;  // start time is field 22 of 52
constexpr std::size_t kFolderBytes = 8192;

// As the kernel writes it; glibc's own type is for readdir().
struct KernelDirent {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[1];  // as long as it is
};

bool parse_number(const char*& at, const char* end, std::uint64_t& value) {
  while (at < end && *at == ' ') ++at;
  const char* first = at;
  value = 0;
  for (; at < end && *at >= '0' && *at <= '9'; ++at) {
    value = value * 10 + static_cast<std::uint64_t>(*at - '0');
  }
  return at > first;
}

void skip_field(const char*& at, const char* end) {
  while (at < end && *at == ' ') ++at;
  while (at < end && *at != ' ') ++at;
}

// "123" → "123/stat"; false for names that are not numbers.
bool stat_path(const char* name, char (&path)[32]) {
  std::size_t length = 0;
  for (; name[length] != '\0'; ++length) {
    if (name[length] < '0' || name[length] > '9' || length > 12) return false;
    path[length] = name[length];
  }
  std::memcpy(path + length, "/stat", 6);
  return length > 0;
}

bool read_entry(int proc, const char* path, ProcEntry& entry) {
  const int file = ::openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[kStatBytes];
  const ssize_t size = ::read(file, text, sizeof text);
  ::close(file);
  return size > 0 && parse_stat(text, static_cast<std::size_t>(size), entry);
}

int open_proc() { return ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

bool is_still(const ProcEntry& entry) {
  char name[16], path[32];
  std::size_t length = 0;
  for (pid_t rest = entry.pid; rest > 0 && length < 12; rest /= 10) {
    name[length++] = static_cast<char>('0' + rest % 10);
  }
  std::reverse(name, name + length);
  name[length] = '\0';
  const int proc = open_proc();
  if (proc < 0) return false;
  ProcEntry now;
  const bool same = stat_path(name, path) && read_entry(proc, path, now) && now.is_same(entry);
  ::close(proc);
  return same;
}

}  // namespace

bool parse_stat(const char* text, std::size_t size, ProcEntry& entry) {
  const char* const end = text + size;
  const char* at = text;
  std::uint64_t number = 0;
  if (!parse_number(at, end, number)) return false;
  entry.pid = static_cast<pid_t>(number);
  // The name stands in brackets and may hold brackets and blanks itself.
  const char* close = end;
  while (close > at && close[-1] != ')') --close;
  if (close == at || close + 2 >= end) return false;
  entry.state = close[1];
  at = close + 2;
  if (!parse_number(at, end, number)) return false;
  entry.parent = static_cast<pid_t>(number);
  for (int field = 5; field < 22; ++field) skip_field(at, end);
  return parse_number(at, end, entry.started);
}

ProcTable::~ProcTable() {
  if (entries_ != nullptr) ::munmap(entries_, capacity_ * sizeof(ProcEntry));
}

void ProcTable::swap(ProcTable& other) noexcept {
  std::swap(entries_, other.entries_);
  std::swap(count_, other.count_);
  std::swap(capacity_, other.capacity_);
}

bool ProcTable::add(const ProcEntry& entry) {
  if (count_ == capacity_) {
    const std::size_t wanted = capacity_ == 0 ? kFirstEntries : capacity_ * 2;
    void* memory = ::mmap(nullptr, wanted * sizeof(ProcEntry), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* larger = static_cast<ProcEntry*>(memory);
    std::copy_n(entries_, count_, larger);
    if (entries_ != nullptr) ::munmap(entries_, capacity_ * sizeof(ProcEntry));
    entries_ = larger;
    capacity_ = wanted;
  }
  entries_[count_++] = entry;
  return true;
}

bool ProcTable::read_folder(int folder) {
  alignas(KernelDirent) char buffer[kFolderBytes];
  for (;;) {
    const long size = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer);
    if (size <= 0) return size == 0;
    for (long at = 0; at < size;) {
      const auto* item = reinterpret_cast<const KernelDirent*>(buffer + at);
      at += item->length;
      char path[32];
      ProcEntry entry;
      if (!stat_path(item->name, path) || !read_entry(folder, path, entry)) continue;
      if (!add(entry)) return false;
    }
  }
}

bool ProcTable::read() {
  count_ = 0;
  const int folder = open_proc();
  if (folder < 0) return false;
  const bool complete = read_folder(folder);
  ::close(folder);
  std::sort(entries_, entries_ + count_,
            [](const ProcEntry& a, const ProcEntry& b) { return a.pid < b.pid; });
  return complete;
}

ProcEntry* ProcTable::at(pid_t pid) {
  auto* found = std::lower_bound(entries_, entries_ + count_, pid,
                                 [](const ProcEntry& e, pid_t wanted) { return e.pid < wanted; });
  return found != entries_ + count_ && found->pid == pid ? found : nullptr;
}

const ProcEntry* ProcTable::find(pid_t pid) const { return const_cast<ProcTable*>(this)->at(pid); }

// Walks up until a process whose side is known.
ProcEntry::Side ProcTable::side_of(std::size_t index, pid_t root, std::span<const pid_t> spared) {
  using Side = ProcEntry::Side;
  const ProcEntry* entry = entries_ + index;
  for (std::size_t steps = 0; steps <= count_; ++steps) {
    if (entry->side != Side::unknown) return entry->side;
    if (entry->pid == root) return Side::outside;
    if (std::ranges::binary_search(spared, entry->pid)) return Side::outside;
    if (entry->parent == root) return Side::inside;
    entry = find(entry->parent);
    if (entry == nullptr) return Side::outside;
  }
  return Side::outside;  // a circle: numbers were given away while we read
}

void ProcTable::keep_descendants(pid_t root, std::span<const pid_t> spared) {
  for (std::size_t i = 0; i < count_; ++i) {
    const auto side = side_of(i, root, spared);
    // Everything on the way up is on the same side, but for the root itself.
    for (ProcEntry* entry = entries_ + i;
         entry != nullptr && entry->side == ProcEntry::Side::unknown && entry->pid != root;) {
      entry->side = side;
      if (side == ProcEntry::Side::outside || entry->parent == root) break;
      entry = at(entry->parent);
    }
  }
  const auto* end = std::remove_if(entries_, entries_ + count_, [](const ProcEntry& e) {
    return e.side != ProcEntry::Side::inside;
  });
  count_ = static_cast<std::size_t>(end - entries_);
}

void signal_exactly(const ProcEntry& entry, int signal) {
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, entry.pid, 0));
  if (handle < 0) {
    if (errno == ENOSYS && is_still(entry)) ::kill(entry.pid, signal);
    return;
  }
  // The handle is tied to a process; see that it is the one of the table.
  if (is_still(entry)) ::syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0);
  ::close(handle);
}

int kill_descendants(pid_t root, std::span<const pid_t> spared) {
  ProcTable now, before;
  for (int round = 0; round < kStopRoundsMax; ++round) {
    if (!now.read()) return -1;
    now.keep_descendants(root, spared);
    bool grew = false;
    for (const ProcEntry& entry : now.entries()) {
      const ProcEntry* known = before.find(entry.pid);
      if ((known != nullptr && known->is_same(entry)) || entry.state == 'Z') continue;
      signal_exactly(entry, SIGSTOP);
      grew = true;
    }
    if (!grew) break;
    before.swap(now);
  }
  for (const ProcEntry& entry : now.entries()) {
    if (entry.state != 'Z') signal_exactly(entry, SIGKILL);
  }
  return static_cast<int>(now.entries().size());
}

void signal_descendants(pid_t root, int signal) {
  ProcTable table;
  if (!table.read()) return;
  table.keep_descendants(root, {});
  for (const ProcEntry& entry : table.entries()) signal_exactly(entry, signal);
}

}  // namespace matrx::agent
