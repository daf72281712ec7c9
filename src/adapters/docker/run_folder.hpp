#pragma once
// The folder through which we speak to the agent of a sandbox. Root inside can write to it, so it
// is a file system of its own, in memory and small, where that is possible: then nothing that is
// put there takes anything of this host's disk. Blocking.

#include <string>
#include <system_error>

#include "base/error.hpp"

namespace matrx::docker {

// Makes <folder>/run for that owner; once more does no harm. Where mounts of ours are not seen by
// the engine behind that Unix socket, or we may not mount, it is a plain folder.
Result<void> make_run_folder(const std::string& folder, unsigned owner,
                             const std::string& engine_socket);

// Removes the folder with all that is in it.
std::error_code remove_run_folder(const std::string& folder);

}  // namespace matrx::docker
