#include "agent/metrics.hpp"

#include <dirent.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include "agent/kernel_files.hpp"
#include "agent/limits.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

std::optional<std::uint64_t> to_number(std::string_view text) {
  text = trim(text);
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc() && end != text.data() ? std::optional(number) : std::nullopt;
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  return to_number(read_kernel_file(path));
}

// "name 123" or "name: 123 kB", one in a line.
std::uint64_t value_in(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    if (line.starts_with(':')) line.remove_prefix(1);
    if (line.empty() || (line[0] != ' ' && line[0] != '\t')) continue;
    return to_number(line).value_or(0);
  }
  return 0;
}

double cpus_allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// "200000 100000" → 2; "max 100000" → nothing.
std::optional<double> quota_of(std::string_view text) {
  const auto parts = split(trim(text), ' ');
  if (parts.size() != 2) return std::nullopt;
  const auto quota = to_number(parts[0]), period = to_number(parts[1]);
  if (!quota || !period || *period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

void read_cpu(const std::string& root, Usage& usage) {
  using std::chrono::microseconds;
  const std::string group = root + "/sys/fs/cgroup";
  usage.cpus = cpus_allowed();
  std::optional<double> quota = quota_of(read_kernel_file(group + "/cpu.max"));
  const std::string stat = read_kernel_file(group + "/cpu.stat");
  if (const auto used = value_in(stat, "usage_usec"); used > 0) {
    usage.cpu_time = microseconds(used);
  } else if (const auto ns = read_number(group + "/cpuacct/cpuacct.usage")) {
    usage.cpu_time = microseconds(*ns / 1000);
    const std::string limit = read_kernel_file(group + "/cpu/cpu.cfs_quota_us");
    quota = quota_of(std::string(trim(limit)) + " " +
                     std::string(trim(read_kernel_file(group + "/cpu/cpu.cfs_period_us"))));
  } else {
    // user nice system idle iowait irq softirq, in ticks, over all CPUs
    const std::string line = read_kernel_file(root + "/proc/stat");
    std::uint64_t ticks = 0;
    const auto parts = split(std::string_view(line).substr(0, line.find('\n')), ' ');
    int field = 0;
    for (std::string_view part : parts) {
      const auto number = to_number(part);
      if (!number) continue;
      if (field != 3 && field != 4) ticks += *number;
      ++field;
    }
    usage.cpu_time = microseconds(ticks * 1'000'000 /
                                  static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK))));
  }
  if (quota && *quota > 0) usage.cpus = std::min(usage.cpus, *quota);
}

void read_memory(const std::string& root, Usage& usage) {
  const std::string group = root + "/sys/fs/cgroup";
  const std::string info = read_kernel_file(root + "/proc/meminfo");
  const auto kib = [&](std::string_view name) { return value_in(info, name) * 1024; };
  const std::uint64_t machine = kib("MemTotal");
  usage.memory_total = machine;
  auto used = read_number(group + "/memory.current");
  auto limit = read_number(group + "/memory.max");
  if (used) {
    usage.memory_cache = value_in(read_kernel_file(group + "/memory.stat"), "file");
  } else if ((used = read_number(group + "/memory/memory.usage_in_bytes"))) {
    limit = read_number(group + "/memory/memory.limit_in_bytes");
    usage.memory_cache = value_in(read_kernel_file(group + "/memory/memory.stat"), "total_cache");
  } else {
    usage.memory_cache = kib("Cached") + kib("Buffers");
    used = machine - std::min(machine, kib("MemFree"));
  }
  usage.memory_used = *used - std::min(*used, usage.memory_cache);
  if (limit && (machine == 0 || *limit < machine)) usage.memory_total = *limit;
}

void read_network(const std::string& root, Usage& usage) {
  const std::string text = read_kernel_file(root + "/proc/net/dev");
  for (std::string_view line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || trim(line.substr(0, colon)) == "lo") continue;
    int field = 0;
    for (std::string_view part : split(line.substr(colon + 1), ' ')) {
      const auto number = to_number(part);
      if (!number) continue;
      if (field == 0) usage.received += *number;
      if (field == 8) usage.sent += *number;
      ++field;
    }
  }
}

std::uint64_t count_processes(const std::string& root) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir((root + "/proc").c_str()), ::closedir);
  std::uint64_t count = 0;
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') ++count;
  }
  return count;
}

}  // namespace

std::uint64_t count_oom_kills(const std::string& root) {
  const std::string group = root + "/sys/fs/cgroup";
  std::string counts = read_kernel_file(group + "/memory.events");
  if (counts.empty()) counts = read_kernel_file(group + "/memory/memory.oom_control");
  return value_in(counts, "oom_kill");  // not oom_kill_disable, which stands there as well
}

Usage read_usage(const std::string& root) {
  Usage usage;
  read_cpu(root, usage);
  read_memory(root, usage);
  read_network(root, usage);
  usage.processes = count_processes(root);
  struct statvfs disk{};
  if (::statvfs((root + "/").c_str(), &disk) == 0) {
    usage.disk_total = disk.f_blocks * disk.f_frsize;
    usage.disk_used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize;
  }
  return usage;
}

json::object Metrics::describe(const Usage& usage, SteadyTime now, std::int64_t unix_seconds) {
  using Seconds = std::chrono::duration<double>;
  const auto passed = now - at_;
  if (!cpu_time_ || passed >= kCpuSampleMin) {
    if (cpu_time_) {
      const double used = Seconds(usage.cpu_time - *cpu_time_).count();
      const double there = Seconds(passed).count() * usage.cpus;
      percent_ = std::clamp(used / there * 100, 0.0, 100.0);
    }
    cpu_time_ = usage.cpu_time;
    at_ = now;
  }
  return {{"ts", unix_seconds},
          {"cpu_count", static_cast<std::int64_t>(std::ceil(usage.cpus))},
          {"cpu_used_pct", std::round(percent_ * 100) / 100},
          {"cpu_used_us", usage.cpu_time.count()},
          {"mem_total", usage.memory_total},
          {"mem_used", usage.memory_used},
          {"mem_cache", usage.memory_cache},
          {"mem_total_mib", usage.memory_total / kMiB},
          {"mem_used_mib", usage.memory_used / kMiB},
          {"disk_used", usage.disk_used},
          {"disk_total", usage.disk_total},
          {"net_rx_bytes", usage.received},
          {"net_tx_bytes", usage.sent},
          {"processes", usage.processes}};
}

}  // namespace matrx::agent
