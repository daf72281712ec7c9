#include "adapters/mount_s3/mount_s3.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "async/offload.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/mount_points.hpp"
#include "base/remove_tree.hpp"
#include "model/home_tree.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr auto kPoll = milliseconds(20);
constexpr std::int64_t kBytesPerMib = 1024LL * 1024;

}  // namespace

std::vector<std::string> mount_s3_arguments(const MountS3Settings& settings,
                                            const MountPlace& place,
                                            const std::string& cache_folder) {
  const std::string owner = std::to_string(kAgentUid);
  const auto ttl = std::chrono::duration_cast<std::chrono::seconds>(kColdDirectoryTtl).count();
  const std::int64_t cache_mib = std::max<std::int64_t>(place.cache_bytes_max / kBytesPerMib, 1);
  std::vector<std::string> arguments = {"--foreground",
                                        "--no-log",
                                        "--prefix",
                                        "users/" + place.user_id + "/cold/",
                                        "--region",
                                        settings.region,
                                        "--uid",
                                        owner,
                                        "--gid",
                                        owner,
                                        "--allow-other",
                                        "--allow-delete",
                                        "--allow-overwrite",
                                        "--cache",
                                        cache_folder,
                                        "--max-cache-size",
                                        std::to_string(cache_mib),
                                        "--metadata-ttl",
                                        std::to_string(ttl)};
  if (!settings.endpoint.empty()) {
    arguments.insert(arguments.end(), {"--endpoint-url", settings.endpoint, "--force-path-style"});
  }
  arguments.insert(arguments.end(), {settings.bucket, place.point});
  return arguments;
}

Task<Result<void>> MountS3::open() {
  if (find_program(settings_.program).empty()) {
    co_return fail(Code::unavailable,
                   "MATRX_COLD_DRIVER=mount-s3: the program mount-s3 (Mountpoint for Amazon S3) is "
                   "not on PATH; install it, or set MATRX_COLD_DRIVER to rclone");
  }
  // What an earlier life has left: caches of mounts that ended with it.
  auto work = [folder = settings_.folder]() -> Result<void> {
    std::error_code ec = remove_tree(folder);
    if (!ec || ec == std::errc::no_such_file_or_directory) fs::create_directories(folder, ec);
    if (!ec) return {};
    return fail(Code::unavailable, "the folder of mount-s3 cannot be written",
                folder + ": " + ec.message());
  };
  co_return co_await offload(threads_, std::move(work));
}

std::string MountS3::cache_folder(const SandboxId& id) const {
  return (fs::path(settings_.folder) / id.text()).string();
}

std::string MountS3::complaints_file(const SandboxId& id) const {
  return cache_folder(id) + ".errors";
}

std::string MountS3::complaints(const SandboxId& id) const {
  const auto text = read_file(complaints_file(id), kMounterWordsBytesMax);
  std::string words = text ? text->value_or("") : "";
  std::ranges::replace(words, '\n', ' ');
  return words;
}

Task<Result<void>> MountS3::make_cache(SandboxId id) {
  auto work = [folder = cache_folder(id)]() -> Result<void> {
    std::error_code ec;
    fs::create_directories(folder, ec);
    fs::permissions(folder, fs::perms::owner_all, ec);
    if (!ec) return {};
    return fail(Code::unavailable, "The cache of large files cannot be made.",
                folder + ": " + ec.message());
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> MountS3::remove_cache(SandboxId id) {
  auto work = [folder = cache_folder(id), errors = complaints_file(id)]() -> Result<void> {
    ::unlink(errors.c_str());
    const auto ec = remove_tree(folder);
    if (!ec || ec == std::errc::no_such_file_or_directory) return {};
    return fail(Code::unavailable, "The cache of large files cannot be freed.",
                folder + ": " + ec.message());
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> MountS3::mount(MountPlace place) {
  CO_CHECK(co_await make_cache(place.id));
  const std::string program = find_program(settings_.program);
  if (program.empty()) co_return fail(Code::unavailable, "mount-s3 is not on PATH any more.");
  processes_[place.id].end(milliseconds(0));  // one that came to nothing
  auto arguments = mount_s3_arguments(settings_, place, cache_folder(place.id));
  arguments.insert(arguments.begin(), program);
  CO_CHECK(processes_[place.id].start(std::move(arguments), child_environment({"UNSTABLE_"}, {}),
                                      complaints_file(place.id)));
  const std::string above = fs::path(place.point).parent_path().string();
  for (;;) {  // the caller has a deadline
    if (!processes_[place.id].is_running()) {
      co_return fail(Code::unavailable, "The large files cannot be mounted.",
                     "mount-s3: " + complaints(place.id));
    }
    if (mount_points_below(above).contains(place.point)) co_return Result<void>();
    co_await clock_.sleep(kPoll);
  }
}

bool MountS3::is_served(const MountPlace& place) {
  const auto known = processes_.find(place.id);
  return known != processes_.end() && known->second.is_running();
}

// All is sent when all is closed; unmount() waits for what the kernel closes last.
Task<Result<bool>> MountS3::is_flushed(MountPlace) { co_return true; }

Task<Result<bool>> MountS3::unmount(MountPlace place) {
  // Not by force: what is still open is still being sent.
  if (::umount2(place.point.c_str(), UMOUNT_NOFOLLOW) != 0 && errno == EBUSY) co_return false;
  const Patience patience(clock_, kColdFlushMin);
  while (is_served(place)) {  // it ends by itself when it has sent all
    if (patience.is_over()) co_return false;
    co_await clock_.sleep(kPoll);
  }
  processes_.erase(place.id);
  CO_CHECK(co_await remove_cache(place.id));
  co_return true;
}

// Each of them is a child of ours: nothing else to keep running.
Task<void> MountS3::look_after(std::vector<MountPlace> places) {
  for (const MountPlace& place : places) {
    const auto known = processes_.find(place.id);
    if (known == processes_.end() || known->second.pid() == 0 || is_served(place)) continue;
    log::warning("mount-s3 has ended", {{"sandbox_id", place.id.text()},
                                        {"user_id", place.user_id},
                                        {"status", known->second.status()},
                                        {"internal", complaints(place.id)}});
  }
  co_return;
}

}  // namespace matrx
