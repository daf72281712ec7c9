#include "agent/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "agent/limits.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {

std::string read_kernel_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text;
  char piece[4096];
  while (file && text.size() < kKernelFileBytesMax) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got <= 0) break;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace matrx::agent
