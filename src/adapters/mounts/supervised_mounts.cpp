#include "adapters/mounts/supervised_mounts.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "async/offload.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/mount_points.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr auto kFlushPoll = milliseconds(200);

// The sandbox sees the folder above read-only, so that what lies there is ours; looked at all the
// same, since the host mounts onto it as root.
bool make_point(const std::string& point) {
  struct stat info{};
  ::mkdir(point.c_str(), 0755);
  return ::lstat(point.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::getuid();
}

}  // namespace

SupervisedMounts::~SupervisedMounts() {
  // The mounter ends with us; without this the host would be left with dead mounts.
  for (const auto& [id, mounted] : mounts_) take_down_mount(mounted.place.point);
}

std::string SupervisedMounts::parent_of(const SandboxId& id) const {
  return (fs::path(folder_) / id.text()).string();
}

Task<Result<void>> SupervisedMounts::open() {
  CO_CHECK(co_await mounter_->open());
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    co_return fail(Code::unavailable,
                   "MATRX_COLD_DRIVER: /dev/fuse is missing; load the fuse module and install "
                   "fuse3, or set it to off");
  }
  std::error_code ec;
  fs::create_directories(folder_, ec);
  if (!ec) folder_ = fs::canonical(folder_, ec).string();
  if (ec) {
    co_return fail(Code::unavailable, "the folder of cold mounts cannot be made", ec.message());
  }
  if (is_shared_mount(folder_)) co_return Result<void>();
  const char* path = folder_.c_str();
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, path, nullptr, MS_SHARED, nullptr) != 0) {
    co_return fail(Code::unavailable,
                   "MATRX_COLD_DRIVER: cold storage needs the right to mount (run as root), or "
                   "set it to off",
                   std::strerror(errno));
  }
  co_return Result<void>();
}

std::optional<ColdBind> SupervisedMounts::bind(const SandboxId& id, const std::string&) const {
  return ColdBind{.source = parent_of(id), .is_parent = true};
}

bool SupervisedMounts::is_up(const SandboxId& id) {
  const auto known = mounts_.find(id);
  return known != mounts_.end() && !known->second.is_gone &&
         mounter_->is_served(known->second.place);
}

Task<Result<void>> SupervisedMounts::attach(SandboxId id, std::string user_id) {
  if (is_up(id)) co_return Result<void>();
  const auto turn = co_await turns_.take(user_id);
  if (is_up(id)) co_return Result<void>();
  co_return co_await mount(id, user_id);
}

Task<Result<void>> SupervisedMounts::mend(SandboxId id) {
  const auto seen = mounts_.find(id);
  if (seen == mounts_.end()) co_return Result<void>();
  const std::string user_id = seen->second.place.user_id;
  const auto turn = co_await turns_.take(user_id);
  const auto known = mounts_.find(id);
  const bool is_wanted = known != mounts_.end() && !known->second.is_leaving && !is_up(id);
  if (!is_wanted) co_return Result<void>();
  co_return co_await mount(id, user_id);
}

Task<Result<void>> SupervisedMounts::mount(SandboxId id, std::string user_id) {
  const bool again = mounts_.contains(id);
  MountPlace place{.id = id, .user_id = user_id, .point = mount_point(id)};
  place.cache_bytes_max = share_of(place);
  const auto mounted = co_await within(clock_, kColdMountDeadline, "The mount of the cold storage",
                                       mount_at(std::move(place)));
  if (again) ++(mounted ? totals_.heals : totals_.heal_failures);
  if (!again) ++(mounted ? totals_.mounts : totals_.mount_failures);
  if (again && mounted) {
    log::warning("cold storage mounted again", {{"sandbox_id", id.text()}, {"user_id", user_id}});
  }
  co_return mounted;
}

Result<void> SupervisedMounts::make_place(const MountPlace& place) const {
  CHECK_OK(replace_file(owner_file(place.id), place.user_id));
  std::error_code ec;
  fs::create_directories(parent_of(place.id), ec);
  if (ec || !make_point(place.point)) return file_error("make " + place.point);
  return {};
}

Task<Result<void>> SupervisedMounts::mount_at(MountPlace place) {
  auto prepare = [this, place] {
    take_down_mount(place.point);
    return make_place(place);
  };
  CO_CHECK(co_await offload(threads_, std::move(prepare)));
  CO_CHECK(co_await mounter_->mount(place));
  mounts_.insert_or_assign(place.id, Mounted{.place = place, .number = ++made_});
  co_return Result<void>();
}

// A quarter of what nobody has: what is left for the next ones never ends, and all together stay
// within the limit, but for the least that each one gets.
std::int64_t SupervisedMounts::share_of(const MountPlace& place) {
  const std::string owner = cache_owner(place);
  if (const auto known = shares_.find(owner); known != shares_.end()) return known->second;
  std::int64_t given = 0;
  for (const auto& [other, share] : shares_) given += share;
  const std::int64_t share = std::max((cache_bytes_max_ - given) / 4, kColdCacheShareMin);
  shares_.emplace(owner, share);
  return share;
}

Task<Result<bool>> SupervisedMounts::detach(SandboxId id, std::string user_id,
                                            milliseconds patience) {
  std::error_code ec;
  if (!mounts_.contains(id) && !fs::exists(parent_of(id), ec)) co_return true;
  // Attached by an earlier life of ours, or its mounter was killed: what that had not sent is sent
  // by a mount of the same.
  const auto known = mounts_.find(id);
  const bool is_leaving = known != mounts_.end() && known->second.is_leaving;
  if (mounter_->goes_on() && !is_leaving) CO_CHECK(co_await attach(id, user_id));
  if (mounts_.contains(id)) {
    const Patience left(clock_, patience);
    CO_TRY(unmounted, co_await flush_and_unmount(id, left));
    if (!unmounted) co_return false;
  }
  const auto turn = co_await turns_.take(user_id);
  MountPlace place{.id = id, .user_id = user_id, .point = mount_point(id)};
  CO_CHECK(co_await leave(std::move(place)));
  co_return true;
}

Task<Result<bool>> SupervisedMounts::flush_and_unmount(SandboxId id, Patience left) {
  const MountPlace place = mounts_.at(id).place;
  // What has just been closed is queued a moment later.
  co_await clock_.sleep(kFlushPoll);
  for (;;) {
    CO_TRY(flushed, co_await mounter_->is_flushed(place));
    if (flushed) {
      if (const auto known = mounts_.find(id); known != mounts_.end()) {
        known->second.is_leaving = true;
      }
      CO_TRY(unmounted, co_await mounter_->unmount(place));
      if (unmounted) co_return true;
    }
    if (left.is_over()) co_return false;
    co_await clock_.sleep(kFlushPoll);
  }
}

// The folder last: where a crash cuts this short, it is found again.
Task<Result<void>> SupervisedMounts::leave(MountPlace place) {
  take_down_mount(place.point);
  mounts_.erase(place.id);
  const std::string owner = cache_owner(place);
  const bool is_last = std::ranges::none_of(
      mounts_, [&](const auto& other) { return cache_owner(other.second.place) == owner; });
  if (is_last) {
    shares_.erase(owner);
    if (mounter_->shares_cache()) CO_CHECK(co_await mounter_->forget_cache(place.user_id));
  }
  remove_folder(place.id);
  co_return Result<void>();
}

// Two empty folders. Not remove_all: should a mount be left there, it must not be emptied.
void SupervisedMounts::remove_folder(const SandboxId& id) const {
  ::rmdir(mount_point(id).c_str());
  if (::rmdir(parent_of(id).c_str()) != 0 && errno != ENOENT) {
    log::warning("folder of a cold mount left behind", {{"sandbox_id", id.text()}});
    return;
  }
  ::unlink(owner_file(id).c_str());
}

Task<Result<std::vector<ColdMount>>> SupervisedMounts::list() {
  std::vector<ColdMount> found;
  std::error_code ec;
  for (fs::directory_iterator at(folder_, ec), end; !ec && at != end; at.increment(ec)) {
    const auto id = SandboxId::parse(at->path().filename().string());
    if (!id) continue;
    CO_TRY(owner, read_file(owner_file(*id), kUserIdCharsMax));
    ColdMount kept{.id = *id, .user_id = owner.value_or("")};
    found.push_back(std::move(kept));
  }
  if (ec) co_return fail(Code::unavailable, "Cold mounts cannot be listed.", ec.message());
  co_return found;
}

Task<std::vector<ColdMount>> SupervisedMounts::find_broken() {
  std::vector<MountPlace> places;
  places.reserve(mounts_.size());
  for (const auto& [id, mounted] : mounts_) places.push_back(mounted.place);
  co_await mounter_->look_after(std::move(places));
  std::vector<ColdMount> broken;
  if (mounts_.empty()) co_return broken;
  const std::int64_t made = made_;
  auto look = [folder = folder_] { return mount_points_below(folder); };
  const auto points = co_await offload(threads_, std::move(look));
  for (auto& [id, mounted] : mounts_) {
    if (mounted.number > made) continue;  // since the look
    mounted.is_gone = !points.contains(mounted.place.point);
    if (mounted.is_leaving || is_up(id)) continue;
    broken.push_back({.id = id, .user_id = mounted.place.user_id});
  }
  co_return broken;
}

std::string SupervisedMounts::trouble(const SandboxId& id) const {
  const auto known = mounts_.find(id);
  return known == mounts_.end() ? "" : mounter_->trouble(known->second.place.user_id);
}

ColdTotals SupervisedMounts::totals() const {
  ColdTotals totals = totals_;
  totals.mounted = static_cast<std::int64_t>(mounts_.size());
  totals.refused_uploads = mounter_->refused_uploads();
  return totals;
}

}  // namespace matrx
