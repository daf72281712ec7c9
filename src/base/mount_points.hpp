#pragma once
// Mounts of this host, as the kernel lists them: nothing here touches what is mounted, which may
// hang where its server does.

#include <set>
#include <string>

namespace matrx {

// Whether mounts made below the folder reach those who have bound it.
bool is_shared_mount(const std::string& folder);

// Whether a mount that is made below the folder is seen by others than this process: by a container
// engine beside us, say.
bool spreads_mounts(const std::string& folder);

// Every mount point below the folder.
std::set<std::string> mount_points_below(const std::string& folder);

// Unmounts it, all layers of it: also where its server is dead, or somebody is in it.
void take_down_mount(const std::string& point);

}  // namespace matrx
