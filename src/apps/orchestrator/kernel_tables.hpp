#pragma once
// Tables of the kernel that sandboxes share with this host and with each other: without a user
// namespace, one of them may take what is there for all. deploy/systemd/sysctl-matrx.conf raises
// them; here we only look.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace matrx {

struct SmallTable {
  std::string name;  // as sysctl has it
  std::int64_t size = 0, least = 0;
  std::string shared;  // by whom, and for what
};

// Those that are smaller than what deploy/ sets. read: the text of a file; "" where there is none,
// which says nothing.
std::vector<SmallTable> small_kernel_tables(
    const std::function<std::string(const std::string& path)>& read);

// Of this machine.
std::string read_kernel_number(const std::string& path);

// The same of this machine, as warnings of the log.
void warn_of_small_kernel_tables();

}  // namespace matrx
