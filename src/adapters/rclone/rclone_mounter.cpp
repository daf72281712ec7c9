#include "adapters/rclone/rclone_mounter.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "adapters/rclone/unsent_files.hpp"
#include "async/offload.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/mount_points.hpp"
#include "base/remove_tree.hpp"
#include "model/home_tree.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr int kUmask = 022;
constexpr int kCacheModeFull = 3;

std::int64_t nanoseconds(auto duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

bool is_queued(const json::object& cache) {
  return json::integer_at(cache, "uploadsInProgress") != 0 ||
         json::integer_at(cache, "uploadsQueued") != 0;
}

}  // namespace

// rclone writes JSON, so that no name that a sandbox has chosen can look like a line of its own.
std::optional<FailedUpload> parse_failed_upload(std::string_view line) {
  constexpr std::string_view kMark = "vfs cache: failed to upload try #";
  constexpr std::string_view kRetry = ", will retry in ";
  const auto parsed = json::parse(line);
  const json::object* complaint = parsed ? parsed->if_object() : nullptr;
  if (complaint == nullptr) return std::nullopt;
  const std::string_view words = json::text_at(*complaint, "msg");
  const std::string_view path = json::text_at(*complaint, "object");
  if (!words.starts_with(kMark) || path.empty()) return std::nullopt;
  FailedUpload failed{.path = std::string(path), .why = {}};
  const auto retry = words.find(kRetry);
  const auto why = retry == std::string_view::npos ? retry : words.find(": ", retry);
  if (why != std::string_view::npos) failed.why = words.substr(why + 2);
  return failed;
}

std::string words_on_refusal(std::string_view why) {
  std::string words = "Large files do not reach the storage; they are kept and sent again later.";
  const bool is_denied =
      why.contains("AccessDenied") || why.contains("Forbidden") || why.contains("status code: 403");
  const bool is_full = why.contains("Quota") || why.contains("InsufficientCapacity") ||
                       why.contains("status code: 507");
  if (is_denied) words += " It denies access.";
  if (is_full && !is_denied) words += " It is full.";
  return words;
}

std::string RcloneMounter::prefix_of(const std::string& user_id) const {
  return bucket_ + "/users/" + user_id + "/cold";
}

Task<Result<void>> RcloneMounter::mount(MountPlace place) {
  const json::object vfs = {{"CacheMode", kCacheModeFull},
                            {"CacheMaxSize", place.cache_bytes_max},
                            {"CachePollInterval", nanoseconds(kColdCachePoll)},
                            {"DirCacheTime", nanoseconds(kColdDirectoryTtl)},
                            {"WriteBack", nanoseconds(kColdWriteBack)},
                            {"UID", kAgentUid},
                            {"GID", kAgentUid},
                            {"Umask", kUmask}};
  co_await go_on(place.user_id);
  const json::object fuse = {{"AllowOther", true}, {"DefaultPermissions", true}};
  json::object parameters = {{"fs", remote(place.user_id)},
                             {"mountPoint", place.point},
                             {"vfsOpt", vfs},
                             {"mountOpt", fuse}};
  CO_CHECK(co_await daemon_.call("mount/mount", std::move(parameters), kColdMountDeadline));
  lives_[place.id] = began_[place.user_id] = daemon_.life();
  CO_TRY(cache, co_await cache_stats(place.user_id));
  CacheFolders& folders = caches_[place.user_id];
  folders.data = json::text_at(cache, "path");
  folders.notes = json::text_at(cache, "pathMeta");
  if (is_queued(cache)) co_await settle(std::move(place), folders.notes);
  co_return Result<void>();
}

// Before rclone looks at what an earlier one has left of the user.
Task<void> RcloneMounter::go_on(std::string user_id) {
  const auto started = co_await daemon_.start();
  const auto began = began_.find(user_id);
  if (!started || (began != began_.end() && began->second == daemon_.life())) co_return;
  auto work = [cache = daemon_.cache_folder(), prefix = prefix_of(user_id), boot = boot_, user_id] {
    for (const auto& path : rclone::set_doubtful_aside(cache, prefix, boot)) {
      log::warning("a large file was torn when the host was started anew: it is kept beside",
                   {{"user_id", user_id}, {"path", path}});
    }
    return rclone::mend_notes(cache, prefix);
  };
  const auto unnoted = co_await offload(threads_, std::move(work));
  for (const rclone::Unnoted& file : unnoted) {
    json::object parameters = {{"fs", remote(user_id)}, {"remote", file.path}};
    const auto there =
        co_await daemon_.call("operations/stat", std::move(parameters), kObjectReachDeadline);
    // Of what the store has as well, it may be only read, and only parts of it are here.
    const bool is_new = there && json::object_at(*there, "item") == nullptr;
    if (is_new) rclone::note_as_unsent(file);
    log::warning("rclone was killed while it noted what it has of a large file",
                 {{"user_id", user_id}, {"path", file.path}, {"kept", is_new}});
  }
}

// What an earlier rclone has not sent.
Task<void> RcloneMounter::settle(MountPlace place, std::string notes) {
  unsettled_.insert(place.user_id);
  auto work = [point = place.point, notes = std::move(notes)] {
    rclone::touch_files(point, rclone::unsent_files(notes));
    return true;
  };
  co_await offload(threads_, std::move(work));
}

// For those that were sent before they could be touched: a new listing knows all objects.
Task<void> RcloneMounter::look_at_unsettled() {
  const std::set<std::string> users = unsettled_;
  for (const std::string& user : users) {
    const auto sent = co_await is_sent(user);
    json::object parameters = {{"fs", remote(user)}};
    const auto listed =
        co_await daemon_.call("vfs/forget", std::move(parameters), kObjectCallDeadline);
    // No mount of it is left where that is not known any more.
    if (!sent || (*sent && listed)) unsettled_.erase(user);
  }
}

bool RcloneMounter::is_served(const MountPlace& place) {
  const auto known = lives_.find(place.id);
  return known != lives_.end() && known->second == daemon_.life();
}

Task<Result<bool>> RcloneMounter::is_flushed(MountPlace place) {
  return is_sent(std::move(place.user_id));
}

Task<Result<json::object>> RcloneMounter::cache_stats(std::string user_id) {
  json::object parameters = {{"fs", remote(user_id)}};
  CO_TRY(stats, co_await daemon_.call("vfs/stats", std::move(parameters), kObjectCallDeadline));
  const json::object* cache = json::object_at(stats, "diskCache");
  co_return cache != nullptr ? *cache : json::object();
}

Task<Result<bool>> RcloneMounter::is_sent(std::string user_id) {
  CO_TRY(cache, co_await cache_stats(std::move(user_id)));
  co_return !is_queued(cache);
}

Task<Result<bool>> RcloneMounter::unmount(MountPlace place) {
  json::object parameters = {{"mountPoint", place.point}};
  const auto unmounted =
      co_await daemon_.call("mount/unmount", std::move(parameters), kColdMountDeadline);
  if (!unmounted) log::debug("unmount by force", {{"internal", unmounted.error().internal}});
  take_down_mount(place.point);
  lives_.erase(place.id);
  co_return true;
}

Task<Result<void>> RcloneMounter::forget_cache(std::string user_id) {
  refused_.erase(user_id);
  began_.erase(user_id);
  unsettled_.erase(user_id);
  const auto known = caches_.find(user_id);
  if (known == caches_.end()) co_return Result<void>();
  const CacheFolders cache = known->second;
  caches_.erase(known);
  auto work = [cache, root = daemon_.cache_folder(),
               prefix = prefix_of(user_id)]() -> Result<void> {
    rclone::forget_boot(root, prefix);
    for (const std::string& folder : {cache.data, cache.notes}) {
      if (folder.empty()) continue;
      const auto ec = remove_tree(folder);
      if (ec && ec != std::errc::no_such_file_or_directory) {
        return fail(Code::unavailable, "The cache of large files cannot be freed.",
                    folder + ": " + ec.message());
      }
      std::error_code ignored;
      fs::remove(fs::path(folder).parent_path(), ignored);  // the user's; empty
    }
    return {};
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<void> RcloneMounter::look_after(std::vector<MountPlace> places) {
  if (!places.empty()) {
    const auto started = co_await daemon_.start();
    if (!started && !is_away_) {
      log::warning("cold storage is away; trying again", {{"internal", started.error().internal}});
    }
    is_away_ = !started;
  }
  read_complaints(places);
  co_await look_at_refused();
  co_await look_at_unsettled();
}

// rclone tries again for ever, and tells nobody else.
void RcloneMounter::read_complaints(const std::vector<MountPlace>& places) {
  for (const std::string& line : daemon_.take_complaints()) {
    const auto failed = parse_failed_upload(line);
    if (!failed) {
      log::debug("rclone complains", {{"internal", line}});
      continue;
    }
    ++refused_uploads_;
    // It names the file, and not the user: whoever has such a file waiting.
    std::set<std::string> users;
    for (const MountPlace& place : places) {
      struct stat info{};
      const std::string file = caches_[place.user_id].data + "/" + failed->path;
      if (::lstat(file.c_str(), &info) == 0) users.insert(place.user_id);
    }
    for (const std::string& user : users) {
      refused_[user] = {.words = words_on_refusal(failed->why),
                        .look_at = clock_.uptime() + milliseconds(kColdRefusedPoll)};
      log::warning("large file not sent; trying again",
                   {{"user_id", user}, {"path", failed->path}, {"internal", failed->why}});
    }
  }
}

Task<void> RcloneMounter::look_at_refused() {
  std::vector<std::string> due;
  for (auto& [user, refused] : refused_) {
    if (refused.look_at > clock_.uptime()) continue;
    refused.look_at = clock_.uptime() + milliseconds(kColdRefusedPoll);
    due.push_back(user);
  }
  for (const std::string& user : due) {
    const auto sent = co_await is_sent(user);
    if (!sent || !*sent || refused_.erase(user) == 0) continue;
    log::info("large files have reached the storage", {{"user_id", user}});
  }
}

std::string RcloneMounter::trouble(const std::string& user_id) const {
  const auto known = refused_.find(user_id);
  return known == refused_.end() ? "" : known->second.words;
}

}  // namespace matrx
