#pragma once
// Files of /proc and /sys: they say that they are empty.

#include <string>

namespace matrx::agent {

// The first kKernelFileBytesMax bytes; "" where it cannot be read.
std::string read_kernel_file(const std::string& path);

}  // namespace matrx::agent
