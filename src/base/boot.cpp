#include "base/boot.hpp"

#include <fstream>

namespace matrx {

std::string read_boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace matrx
