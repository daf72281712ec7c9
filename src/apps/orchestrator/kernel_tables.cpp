#include "apps/orchestrator/kernel_tables.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/kernel_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace matrx {
namespace {

struct KernelTable {
  const char* name;
  std::int64_t least;
  const char* shared;
};

constexpr std::array kTables = {
    KernelTable{"fs.inotify.max_user_instances", 8192,
                "file watches, by all processes of one user id: root's are this host's as well"},
    KernelTable{"fs.inotify.max_user_watches", 1'048'576,
                "file watches, by all processes of one user id: root's are this host's as well"},
    KernelTable{"kernel.pty.max", 32'768, "terminals and SSH shells, by all sandboxes"},
    KernelTable{"fs.aio-max-nr", 1'048'576, "asynchronous I/O, by all sandboxes and this host"},
    KernelTable{"fs.pipe-user-pages-soft", 131'072,
                "pipes, by all processes of one user id beside root"},
    KernelTable{"net.netfilter.nf_conntrack_max", 1'048'576,
                "connections, by all sandboxes and this host"},
};

constexpr std::size_t kNumberBytesMax = 64;

}  // namespace

std::string read_kernel_number(const std::string& path) {
  return read_kernel_text(path, kNumberBytesMax);
}

std::vector<SmallTable> small_kernel_tables(
    const std::function<std::string(const std::string& path)>& read) {
  std::vector<SmallTable> small;
  for (const KernelTable& table : kTables) {
    std::string path = table.name;
    std::ranges::replace(path, '.', '/');
    const std::string text = read("/proc/sys/" + path);
    const std::string_view digits = trim(text);
    std::int64_t size = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    const bool is_number = ec == std::errc() && end == digits.data() + digits.size();
    if (!is_number || size >= table.least) continue;
    small.push_back(
        {.name = table.name, .size = size, .least = table.least, .shared = table.shared});
  }
  return small;
}

void warn_of_small_kernel_tables() {
  for (const SmallTable& table : small_kernel_tables(read_kernel_number)) {
    log::warning("a table of the kernel is small: one sandbox may take it from all",
                 {{"sysctl", table.name},
                  {"size", table.size},
                  {"better", table.least},
                  {"shared", table.shared}});
  }
}

}  // namespace matrx
