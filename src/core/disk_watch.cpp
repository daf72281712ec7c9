#include "core/disk_watch.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "model/states.hpp"

namespace matrx {
namespace {

const Actor kDiskLoop{"loop:disk"};

constexpr auto kDiskInterval = milliseconds(1000);       // how late a full disk may be noticed
constexpr auto kMeasureInterval = milliseconds(30'000);  // between two looks at who takes it
constexpr auto kReserveInterval = milliseconds(30'000);
// After the end of one: what it took is free when its home has been saved.
constexpr auto kNextEndAfter = milliseconds(30'000);
constexpr auto kNobodyFoundFor = milliseconds(5000);
constexpr int kPercent = 100;
constexpr std::int64_t kHelpfulShare = 100;  // an end helps that frees one part in so many
constexpr std::int64_t kHelpfulBytes = kDiskLeftBytesMax / 8;  // or that, of a large disk

std::int64_t to_bytes(const DiskShare& share, std::int64_t total) {
  if (share.bytes > 0) return share.bytes;
  return std::min(total / kPercent * share.percent, share.part_bytes_max);
}

// A limit in bytes says nothing of inodes: then one in percent that is usual.
std::int64_t to_inodes(const DiskShare& share, int usual_percent, std::int64_t total) {
  if (share.bytes == 0 && share.percent == 0) return 0;
  return total / kPercent * (share.bytes > 0 ? usual_percent : share.percent);
}

bool is_below(const DiskRoom& room, const DiskShare& share, int usual_percent) {
  if (room.bytes_free < to_bytes(share, room.bytes_total)) return true;
  return room.inodes_total > 0 &&
         room.inodes_free < to_inodes(share, usual_percent, room.inodes_total);
}

bool is_off(const DiskShare& share) { return share.percent == 0 && share.bytes == 0; }

// Which of the two is short.
bool is_short_of_inodes(const DiskRoom& room) {
  if (room.inodes_total == 0 || room.bytes_total == 0) return false;
  const double inodes =
      static_cast<double>(room.inodes_free) / static_cast<double>(room.inodes_total);
  const double bytes = static_cast<double>(room.bytes_free) / static_cast<double>(room.bytes_total);
  return inodes < bytes;
}

std::string in_percent(std::int64_t part, std::int64_t total) {
  return std::to_string(total > 0 ? part * kPercent / total : 0) + " %";
}

// "2 % of the disk of the data folder is free"
std::string words_on(const DiskRoom& room) {
  if (is_short_of_inodes(room)) {
    return in_percent(room.inodes_free, room.inodes_total) + " of the inodes on the disk of the " +
           room.name + " are free";
  }
  return in_percent(room.bytes_free, room.bytes_total) + " of the disk of the " + room.name +
         " is free";
}

}  // namespace

DiskLevel disk_level(const DiskRoom& room, const DiskLimits& limits) {
  const DiskLimits usual;
  const bool is_full = room.bytes_free == 0 || (room.inodes_total > 0 && room.inodes_free == 0);
  if (is_full) return DiskLevel::critical;
  if (is_below(room, limits.end_below, usual.end_below.percent)) return DiskLevel::critical;
  if (is_below(room, limits.refuse_below, usual.refuse_below.percent)) return DiskLevel::low;
  return DiskLevel::enough;
}

std::optional<SandboxId> largest_grower(const DiskRoom& room, const DiskUses& before,
                                        const DiskUses& now, std::int64_t unseen) {
  const bool by_inodes = is_short_of_inodes(room);
  const auto size_of = [&](const DiskUse& use) { return by_inodes ? use.inodes : use.bytes; };
  const std::int64_t least = by_inodes ? room.inodes_total / kHelpfulShare
                                       : std::min(room.bytes_total / kHelpfulShare, kHelpfulBytes);
  // One that is larger than a look can see has taken what nobody else has.
  const auto size = [&](const auto& entry) {
    return size_of(entry.second) + (entry.second.is_whole ? 0 : std::max<std::int64_t>(unseen, 0));
  };
  const auto grown = [&](const auto& entry) {
    const auto known = before.find(entry.first);
    return size(entry) - (known == before.end() ? 0 : size_of(known->second));
  };
  if (now.empty()) return std::nullopt;
  const auto grower = std::ranges::max_element(now, {}, grown);
  if (grown(*grower) > 0 && size(*grower) >= least) return grower->first;
  const auto largest = std::ranges::max_element(now, {}, size);
  return size(*largest) >= least ? std::optional(largest->first) : std::nullopt;
}

void DiskWatch::start() {
  tasks_.spawn_for_ever("disk", clock_, [this] { return watch_for_ever(); });
}

Task<void> DiskWatch::watch_for_ever() {
  bool works = true;
  for (;;) {
    const auto looked = co_await look();
    if (!looked && works) {
      log::warning("the disk cannot be looked after; trying again",
                   {{"error", looked.error().message}, {"internal", looked.error().internal}});
    }
    works = looked.has_value();
    co_await clock_.sleep(kDiskInterval);
  }
}

Result<void> DiskWatch::admit() {
  if (level_ == DiskLevel::enough) return {};
  ++totals_.refused;
  return fail(Code::exhausted,
              "There is no room for another sandbox: " + words_ + ". Try again later.");
}

Task<Result<void>> DiskWatch::look() {
  CO_TRY(rooms, co_await disk_.rooms(runtime_.engine_folder()));
  const DiskRoom* worst = nullptr;
  DiskLevel level = DiskLevel::enough;
  for (const DiskRoom& room : rooms) {
    const DiskLevel its = disk_level(room, settings_.disk);
    if (its <= level) continue;
    level = its;
    worst = &room;
  }
  note(worst, level);
  totals_.rooms = rooms;
  const milliseconds now = clock_.uptime();
  if (worst == nullptr) {
    before_.reset();
    measure_at_ = end_at_ = milliseconds(0);
    if (now < reserve_at_) co_return Result<void>();
    reserve_at_ = now + kReserveInterval;
    co_return co_await disk_.take_reserve();
  }
  if (level == DiskLevel::critical && now >= end_at_) co_return co_await end_grower(*worst);
  if (before_ || now < measure_at_) co_return Result<void>();
  measure_at_ = now + kMeasureInterval;
  // With an end: who fills the disk meanwhile must not go unseen.
  CO_TRY(uses, co_await within(clock_, kMeasureInterval, "The disk", measure(*worst)));
  before_ = std::move(uses);
  before_room_ = *worst;
  co_return Result<void>();
}

std::int64_t unseen_growth(const DiskRoom& room_before, const DiskUses& before,
                           const DiskRoom& room, const DiskUses& now) {
  const bool by_inodes = is_short_of_inodes(room);
  const auto size_of = [&](const DiskUse& use) { return by_inodes ? use.inodes : use.bytes; };
  std::int64_t unseen = by_inodes ? room_before.inodes_free - room.inodes_free
                                  : room_before.bytes_free - room.bytes_free;
  for (const auto& [id, use] : now) {
    const auto known = before.find(id);
    unseen -= size_of(use) - (known == before.end() ? 0 : size_of(known->second));
  }
  return unseen;
}

void DiskWatch::note(const DiskRoom* worst, DiskLevel level) {
  words_ = worst != nullptr ? words_on(*worst) : std::string();
  totals_.is_refusing = level != DiskLevel::enough;
  if (level == level_) return;
  if (level == DiskLevel::enough) {
    log::info("the disk has room again");
  } else {
    log::warning(level == DiskLevel::low ? "little of the disk is free: no sandbox is made"
                                         : "almost nothing of the disk is free",
                 {{"disk", words_}});
  }
  level_ = level;
}

// Of those that run here: the others take no more than they have.
Task<Result<DiskUses>> DiskWatch::measure(const DiskRoom& room) {
  CO_TRY(rows, co_await store_.list_active(settings_.installation));
  DiskUses uses;
  for (const Sandbox& row : rows) {
    if (!is_usable(row.status)) continue;
    const auto layer = co_await runtime_.layer_folder(row.id);
    const auto use = co_await disk_.use(row.id, layer.value_or(""), room.device);
    if (use) uses.emplace(row.id, *use);
  }
  co_return uses;
}

Task<Result<void>> DiskWatch::end_grower(const DiskRoom& room) {
  end_at_ = clock_.uptime() + kNobodyFoundFor;
  if (is_off(settings_.disk.end_below)) {
    co_await release_reserve();
    co_return Result<void>();
  }
  CO_TRY(uses, co_await measure(room));
  const std::int64_t unseen = before_ ? unseen_growth(before_room_, *before_, room, uses) : 0;
  const auto id = largest_grower(room, before_.value_or(DiskUses()), uses, unseen);
  if (!before_) {
    before_ = std::move(uses);
    before_room_ = room;
  }
  if (id) {
    end_at_ = clock_.uptime() + kNextEndAfter;
    CO_CHECK(co_await end(*id, room));
  }
  // Who took most is gone, and would have taken this as well: now what has to be written can be.
  co_await release_reserve();
  co_return Result<void>();
}

Task<Result<void>> DiskWatch::end(SandboxId id, const DiskRoom& room) {
  const std::string why =
      "It was ended because it took most of what was left of the host's disk: " + words_on(room) +
      ".";
  log::error("sandbox ended to save the disk", {{"sandbox_id", id.text()}, {"disk", words_}});
  ++totals_.ended;
  Driver::Stop stop{
      .graceful = false, .reason = StopReason::error, .detail = why, .status_detail = why};
  const auto begun = co_await driver_.begin_stop(id, stop, kDiskLoop);
  if (!begun && begun.error().code == Code::exhausted) {
    const auto ended = co_await driver_.end_unwritten(id, std::move(stop));
    // Without room its row would never say so, and its home never be saved.
    co_await release_reserve();
    driver_.schedule(id, kDiskLoop);
    co_return ended;
  }
  if (!begun) co_return std::unexpected(begun.error());
  CO_CHECK(co_await runtime_.remove(id));
  driver_.schedule(id, kDiskLoop);  // saves its home
  co_return Result<void>();
}

Task<void> DiskWatch::release_reserve() {
  const auto released = co_await disk_.release_reserve();
  if (!released) {
    log::warning("the reserve on the disk cannot be given free",
                 {{"error", released.error().message}, {"internal", released.error().internal}});
  } else if (*released) {
    log::warning("the reserve on the disk is given free");
  }
}

}  // namespace matrx
