#pragma once
// Looks at the disks that all sandboxes of a host share. Where little is free, no sandbox is made;
// where almost nothing is, the one that has taken most of it is ended: one user loses a sandbox
// (not its home), so that all others can go on.

#include <map>
#include <optional>
#include <string>

#include "async/clock.hpp"
#include "async/task_group.hpp"
#include "core/driver.hpp"
#include "core/settings.hpp"
#include "ports/disk.hpp"
#include "ports/runtime.hpp"
#include "ports/store.hpp"

namespace matrx {

enum class DiskLevel { enough, low, critical };

// Of that disk, by bytes and by inodes, whichever is worse.
DiskLevel disk_level(const DiskRoom& room, const DiskLimits& limits);

using DiskUses = std::map<SandboxId, DiskUse>;

// Who is to be ended so that the disk has room: the one that has grown most since `before`, or,
// where none has grown, the largest. None: there is no one whose end would help. unseen: what the
// disk has lost meanwhile that no look has found, of whoever is larger than a look can see.
std::optional<SandboxId> largest_grower(const DiskRoom& room, const DiskUses& before,
                                        const DiskUses& now, std::int64_t unseen = 0);

// What the disk has lost, by bytes or by inodes, whichever are short, beside what these have grown.
std::int64_t unseen_growth(const DiskRoom& room_before, const DiskUses& before,
                           const DiskRoom& room, const DiskUses& now);

struct DiskTotals {
  std::vector<DiskRoom> rooms;  // as of the last look
  bool is_refusing = false;
  std::int64_t refused = 0;  // creates
  std::int64_t ended = 0;    // sandboxes
};

class DiskWatch {
 public:
  DiskWatch(Executor executor, const CoreSettings& settings, Driver& driver, Disk& disk,
            Store& store, Runtime& runtime, Clock& clock)
      : settings_(settings),
        driver_(driver),
        disk_(disk),
        store_(store),
        runtime_(runtime),
        clock_(clock),
        tasks_(executor) {}

  void start();
  void cancel() { tasks_.cancel(); }
  Task<void> join() { return tasks_.join(); }

  // exhausted: there is no room for another sandbox; the message says how little there is.
  Result<void> admit();

  // One round.
  Task<Result<void>> look();

  // The reserve is given free, for what cannot be written otherwise; taken again when there is
  // room.
  Task<void> release_reserve();

  const DiskTotals& totals() const { return totals_; }

 private:
  Task<void> watch_for_ever();
  void note(const DiskRoom* worst, DiskLevel level);
  Task<Result<DiskUses>> measure(const DiskRoom& room);
  Task<Result<void>> end_grower(const DiskRoom& room);
  Task<Result<void>> end(SandboxId id, const DiskRoom& room);

  const CoreSettings& settings_;
  Driver& driver_;
  Disk& disk_;
  Store& store_;
  Runtime& runtime_;
  Clock& clock_;
  DiskTotals totals_;
  DiskLevel level_ = DiskLevel::enough;
  std::string words_;               // on the disk that has too little
  DiskRoom before_room_;            // the disk at the time of before_
  std::optional<DiskUses> before_;  // what each took when little was left for the first time
  milliseconds measure_at_{0};      // of the clock's uptime, as the next
  milliseconds end_at_{0};
  milliseconds reserve_at_{0};
  TaskGroup tasks_;
};

}  // namespace matrx
