#pragma once
// The dashboard as it was built into this program.

#include <span>

#include "api/api.hpp"

namespace matrx {

// Empty in a build without one.
std::span<const api::DashboardFile> dashboard_files();

}  // namespace matrx
