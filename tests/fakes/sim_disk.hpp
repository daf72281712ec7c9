#pragma once
// The disk of a simulated host: what sandboxes take of it goes with their homes.

#include <algorithm>
#include <utility>

#include "fakes/sim_world.hpp"
#include "ports/disk.hpp"

namespace matrx {

class SimDisk : public Disk {
 public:
  explicit SimDisk(SimWorld& world) : world_(world) {}

  Task<Result<std::vector<DiskRoom>>> rooms(std::string) override {
    std::erase_if(world_.disk.bytes_of,
                  [this](const auto& entry) { return !world_.homes.contains(entry.first); });
    std::int64_t free = world_.disk.bytes_total - world_.disk.bytes_of_others;
    for (const auto& [id, bytes] : world_.disk.bytes_of) free -= bytes;
    DiskRoom room{.name = "data folder", .bytes_total = world_.disk.bytes_total};
    room.bytes_free = std::max<std::int64_t>(free, 0);
    co_return std::vector{room};
  }
  Task<Result<DiskUse>> use(SandboxId id, std::string, std::uint64_t) override {
    const auto known = world_.disk.bytes_of.find(id);
    co_return DiskUse{.bytes = known == world_.disk.bytes_of.end() ? 0 : known->second};
  }
  Task<Result<void>> take_reserve() override {
    world_.disk.has_reserve = true;
    co_return Result<void>();
  }
  Task<Result<bool>> release_reserve() override {
    co_return std::exchange(world_.disk.has_reserve, false);
  }

 private:
  SimWorld& world_;
};

}  // namespace matrx
