#pragma once
// This start of the host's kernel.

#include <string>

namespace matrx {

// Another one after each boot, the same for every process until then (proc_sys_kernel(5): boot_id).
// Empty where the kernel does not say it.
std::string read_boot_id();

}  // namespace matrx
