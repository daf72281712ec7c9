#include "apps/orchestrator/dashboard_files.hpp"

#include <array>
#include <string_view>

namespace matrx {
namespace {

// Made by tools/embed_files.py: arrays of bytes, and kFiles, which names them.
#include "dashboard_files.inc"

}  // namespace

std::span<const api::DashboardFile> dashboard_files() { return kFiles; }

}  // namespace matrx
