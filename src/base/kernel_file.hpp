#pragma once
// Files of /proc and /sys: they say that they are empty, and are read all the same.

#include <cstddef>
#include <string>

namespace matrx {

// The first bytes_max bytes; "" where it cannot be read.
std::string read_kernel_text(const std::string& path, std::size_t bytes_max);

}  // namespace matrx
