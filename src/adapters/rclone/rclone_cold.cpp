#include "adapters/rclone/rclone_cold.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kAgentUid = 1000;
constexpr int kUmask = 022;
constexpr int kCacheModeFull = 3;
constexpr auto kFlushPoll = milliseconds(200);
constexpr auto kWatchPoll = milliseconds(300);

std::int64_t nanoseconds(auto duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

// Whether mounts made below the folder reach those who have bound it.
bool is_shared_mount(const std::string& folder) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.contains(" " + folder + " ") && line.contains(" shared:")) return true;
  }
  return false;
}

// Also where its mounter is dead, or somebody is in it.
void take_down(const std::string& point) {
  while (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

// The sandbox sees the folder above read-only, so that what lies there is ours; looked at all the
// same, since the host mounts onto it as root.
bool make_point(const std::string& point) {
  struct stat info{};
  ::mkdir(point.c_str(), 0755);
  return ::lstat(point.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == 0;
}

}  // namespace

RcloneCold::~RcloneCold() {
  // The mounter ends with us; without this the host would be left with dead mounts.
  for (const auto& [id, mount] : mounts_) take_down(mount_point(id));
}

std::string RcloneCold::parent_of(const SandboxId& id) const {
  return (fs::path(settings_.folder) / id.text()).string();
}

std::string RcloneCold::mount_point(const SandboxId& id) const { return parent_of(id) + "/cold"; }

std::string RcloneCold::remote(const std::string& user_id) const {
  return "s3:" + settings_.bucket + "/users/" + user_id + "/cold";
}

Task<Result<void>> RcloneCold::open() {
  std::error_code ec;
  fs::create_directories(settings_.folder, ec);
  const std::string folder = fs::canonical(settings_.folder, ec).string();
  if (ec)
    co_return fail(Code::unavailable, "the folder of cold mounts cannot be made", ec.message());
  if (is_shared_mount(folder)) co_return Result<void>();
  const char* path = folder.c_str();
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, path, nullptr, MS_SHARED, nullptr) != 0) {
    co_return fail(Code::unavailable,
                   "MATRX_COLD_DRIVER: cold storage needs the right to mount (run as root), or "
                   "set it to off",
                   std::strerror(errno));
  }
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    co_return fail(Code::unavailable,
                   "MATRX_COLD_DRIVER: /dev/fuse is missing; load the fuse module and install "
                   "fuse3, or set it to off");
  }
  co_return Result<void>();
}

std::optional<ColdBind> RcloneCold::bind(const SandboxId& id, const std::string&) const {
  return ColdBind{.source = parent_of(id), .is_parent = true};
}

Task<Result<void>> RcloneCold::attach(SandboxId id, std::string user_id) {
  const auto turn = co_await turns_.take(id.text());
  const auto known = mounts_.find(id);
  if (known != mounts_.end() && known->second.life == daemon_.life()) co_return Result<void>();
  co_return co_await within(clock_, kColdMountDeadline, "The mount of the cold storage",
                            mount(id, user_id));
}

Task<Result<void>> RcloneCold::mount(const SandboxId& id, const std::string& user_id) {
  const std::string point = mount_point(id);
  take_down(point);
  std::error_code ec;
  fs::create_directories(parent_of(id), ec);
  if (ec || !make_point(point)) co_return file_error("make " + point);
  const json::object vfs = {{"CacheMode", kCacheModeFull},
                            {"CacheMaxSize", settings_.cache_bytes_max},
                            {"DirCacheTime", nanoseconds(kColdDirectoryTtl)},
                            {"WriteBack", nanoseconds(kColdWriteBack)},
                            {"UID", kAgentUid},
                            {"GID", kAgentUid},
                            {"Umask", kUmask}};
  CO_CHECK(co_await daemon_.call(
      "mount/mount",
      {{"fs", remote(user_id)},
       {"mountPoint", point},
       {"vfsOpt", vfs},
       {"mountOpt", json::object{{"AllowOther", true}, {"DefaultPermissions", true}}}},
      kColdMountDeadline));
  mounts_[id] = {.user_id = user_id, .life = daemon_.life()};
  co_return Result<void>();
}

Task<Result<bool>> RcloneCold::detach(SandboxId id, std::string user_id, milliseconds patience) {
  std::error_code ec;
  if (!mounts_.contains(id)) {
    if (!fs::exists(parent_of(id), ec)) co_return true;
    // Attached by an earlier life of ours: what that had not sent is sent by a mount of the same.
    CO_CHECK(co_await attach(id, user_id));
  }
  const Patience left(clock_, patience);
  // What has just been closed is queued a moment later.
  co_await clock_.sleep(kFlushPoll);
  for (;;) {
    CO_TRY(flushed, co_await is_flushed(user_id));
    if (flushed) break;
    if (left.is_over()) co_return false;
    co_await clock_.sleep(kFlushPoll);
  }
  const auto unmounted =
      co_await daemon_.call("mount/unmount", {{"mountPoint", mount_point(id)}}, kColdMountDeadline);
  if (!unmounted) log::debug("unmount by force", {{"internal", unmounted.error().internal}});
  take_down(mount_point(id));
  mounts_.erase(id);
  // Two empty folders. Not remove_all: should a mount be left there, it must not be emptied.
  ::rmdir(mount_point(id).c_str());
  if (::rmdir(parent_of(id).c_str()) != 0 && errno != ENOENT) {
    log::warning("folder of a cold mount left behind", {{"sandbox_id", id.text()}});
  }
  co_return true;
}

Task<Result<bool>> RcloneCold::is_flushed(const std::string& user_id) {
  const auto stats =
      co_await daemon_.call("vfs/stats", {{"fs", remote(user_id)}}, kObjectCallDeadline);
  if (!stats) co_return std::unexpected(stats.error());
  const json::object* cache = json::object_at(*stats, "diskCache");
  if (cache == nullptr) co_return true;
  co_return json::integer_at(*cache, "uploadsInProgress") == 0 &&
      json::integer_at(*cache, "uploadsQueued") == 0;
}

Task<Result<std::vector<SandboxId>>> RcloneCold::list() {
  std::vector<SandboxId> ids;
  std::error_code ec;
  for (fs::directory_iterator at(settings_.folder, ec), end; !ec && at != end; at.increment(ec)) {
    if (auto id = SandboxId::parse(at->path().filename().string())) ids.push_back(*std::move(id));
  }
  co_return ids;
}

Task<void> RcloneCold::watch_for_ever() {
  for (;;) {
    co_await clock_.sleep(kWatchPoll);
    if (!mounts_.empty()) co_await heal();
  }
}

// The daemon was killed, and all of its mounts with it.
Task<void> RcloneCold::heal() {
  const auto started = co_await daemon_.start();
  if (!started) {
    log::warning("cold storage is away; trying again", {{"internal", started.error().internal}});
    co_return;
  }
  const auto all = mounts_;
  for (const auto& [id, known] : all) {
    if (known.life == daemon_.life()) continue;
    const auto mounted = co_await attach(id, known.user_id);
    log::write(mounted ? log::Level::warning : log::Level::error,
               mounted ? "cold storage mounted again" : "cold storage cannot be mounted again",
               {{"sandbox_id", id.text()},
                {"user_id", known.user_id},
                {"error", mounted ? "" : mounted.error().message},
                {"internal", mounted ? "" : mounted.error().internal}});
  }
}

}  // namespace matrx
