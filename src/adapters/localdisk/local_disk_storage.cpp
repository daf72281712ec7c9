#include "adapters/localdisk/local_disk_storage.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "async/offload.hpp"
#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "wire/home_manifest.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

// How many of the paths could not be had, because programs hold these files.
Result<std::size_t> write_parts(const std::string& from, const std::vector<std::string>& paths,
                                const ObjectFiles& to, ObjectFiles::Batch& batch,
                                std::int64_t file_bytes_max = INT64_MAX) {
  std::size_t held = 0;
  for (const auto& path : paths) {
    const auto source = open_regular_file(from, path);
    if (!source && source.error().code == Code::not_found) continue;
    if (!source && source.error().code == Code::conflict) {
      ++held;
      continue;
    }
    if (!source) return std::unexpected(source.error());
    const Descriptor opened{*source};
    struct stat info{};
    if (::fstat(opened.get(), &info) == 0 && info.st_size > file_bytes_max) {
      ++held;
      continue;
    }
    const auto written = to.write_part(batch, path, opened.get());
    if (!written && written.error().code != Code::conflict) {
      return std::unexpected(written.error());
    }
    if (!written) ++held;
  }
  CHECK_OK(to.commit(batch));
  return held;
}

}  // namespace

Result<ObjectFiles> LocalDiskStorage::objects(const StoragePlace& place,
                                              const std::vector<std::string>& paths) const {
  if (!is_valid_user_id(place.user_id)) return fail(Code::invalid, "There is no such user.");
  for (const auto& path : paths) {
    if (!is_home_path(path)) return fail(Code::invalid, "This path cannot be in a home.");
  }
  return ObjectFiles((fs::path(root_) / "users" / place.user_id / tier_name(place.tier)).string());
}

Result<std::string> LocalDiskStorage::manifest_path(const std::string& user_id) const {
  if (!is_valid_user_id(user_id)) return fail(Code::invalid, "There is no such user.");
  return (fs::path(root_) / "users" / user_id / ".matrx" / "manifest.json").string();
}

Task<Result<void>> LocalDiskStorage::open() {
  std::error_code ec;
  fs::create_directories(fs::path(root_) / "users", ec);
  if (!ec && ::chmod(root_.c_str(), 0700) == 0) co_return Result<void>();
  if (ec) errno = ec.value();
  Error why = file_error("make " + root_).error();
  if (why.code == Code::exhausted) co_return std::unexpected(std::move(why));
  co_return fail(Code::invalid,
                 "MATRX_DATA_DIR: the storage folder " + root_ + " cannot be written",
                 std::move(why.internal));
}

Task<Result<void>> LocalDiskStorage::ping() {
  std::error_code ec;
  if (fs::is_directory(fs::path(root_) / "users", ec)) co_return Result<void>();
  co_return fail(Code::unavailable, "The storage folder is gone.", root_);
}

Task<Result<HomeTree>> LocalDiskStorage::list(StoragePlace place) {
  CO_TRY(files, objects(place));
  auto work = [files] { return files.list(); };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<FolderPage>> LocalDiskStorage::list_folder(StoragePlace place, FolderQuery query) {
  std::vector<std::string> paths;
  if (!query.folder.empty()) paths.push_back(query.folder);
  CO_TRY(files, objects(place, paths));
  auto work = [files, query = std::move(query)] { return files.list_folder(query); };
  co_return co_await offload(browsers_, std::move(work));
}

Task<Result<HomeNode>> LocalDiskStorage::stat(StoragePlace place, std::string path) {
  const std::vector<std::string> paths = {path};
  CO_TRY(files, objects(place, paths));
  auto work = [files, path = std::move(path)] { return files.stat(path); };
  co_return co_await offload(browsers_, std::move(work));
}

Task<Result<Storage::Stored>> LocalDiskStorage::store(StoragePlace place, std::string from_folder,
                                                      std::vector<std::string> paths,
                                                      std::int64_t file_bytes_max) {
  return store_files(std::move(place), std::move(from_folder), std::move(paths), file_bytes_max,
                     false);
}

Task<Result<Storage::Stored>> LocalDiskStorage::store_at_rest(StoragePlace place,
                                                              std::string from_folder,
                                                              std::vector<std::string> paths,
                                                              std::int64_t file_bytes_max) {
  return store_files(std::move(place), std::move(from_folder), std::move(paths), file_bytes_max,
                     true);
}

Task<Result<Storage::Stored>> LocalDiskStorage::store_files(StoragePlace place,
                                                            std::string from_folder,
                                                            std::vector<std::string> paths,
                                                            std::int64_t file_bytes_max,
                                                            bool at_rest) {
  CO_TRY(files, objects(place, paths));
  auto work = [files, from = std::move(from_folder), paths = std::move(paths), file_bytes_max,
               at_rest]() -> Result<Stored> {
    // All of them take their names, or none.
    TRY(batch, files.begin(true));
    batch.may_link = at_rest;
    const auto held = write_parts(from, paths, files, batch, file_bytes_max);
    if (!held) {
      ObjectFiles::discard(batch);
      return std::unexpected(held.error());
    }
    Stored stored{.tags = {}, .held = *held};
    for (const auto& part : batch.parts) stored.tags.emplace(part.path, part.tag);
    return stored;
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalDiskStorage::fetch(StoragePlace place, std::vector<std::string> paths,
                                           std::string into_folder, std::vector<std::string>) {
  CO_TRY(files, objects(place, paths));
  auto work = [files, into = ObjectFiles(std::move(into_folder)),
               paths = std::move(paths)]() -> Result<void> {
    // What comes down is in the storage: it need not be on the disk before the sandbox begins.
    TRY(batch, into.begin(false));
    const auto held = write_parts(files.folder(), paths, into, batch);
    if (!held) {
      ObjectFiles::discard(batch);
      return std::unexpected(held.error());
    }
    if (batch.parts.size() == paths.size()) return {};
    return fail(Code::not_found, "A file of the home is gone from the storage.");
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<std::string>> LocalDiskStorage::copy(StoragePlace place, std::string from,
                                                 std::string to) {
  CO_TRY(files, objects(place, {from, to}));
  auto work = [files, from = std::move(from), to = std::move(to)]() -> Result<std::string> {
    TRY(source, open_regular_file(files.folder(), from));
    const Descriptor opened{source};
    TRY(batch, files.begin(true));
    auto written = files.write_part(batch, to, opened.get());
    if (written) written = files.commit(batch);
    if (written) return batch.parts.front().tag;
    ObjectFiles::discard(batch);
    return std::unexpected(written.error());
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalDiskStorage::remove(StoragePlace place, std::vector<std::string> paths) {
  CO_TRY(files, objects(place, paths));
  auto work = [files, paths = std::move(paths)]() -> Result<void> {
    for (const auto& path : paths) CHECK_OK(files.remove(path));
    return {};
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalDiskStorage::drop_unfinished(StoragePlace place,
                                                     std::vector<std::string> paths) {
  CO_TRY(files, objects(place, paths));
  auto work = [files, paths = std::move(paths)]() -> Result<void> {
    files.drop_parts(paths);
    return {};
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<std::string>> LocalDiskStorage::read(StoragePlace place, std::string path,
                                                 std::int64_t offset, std::size_t bytes_max) {
  CO_TRY(files, objects(place, {path}));
  auto work = [files, path = std::move(path), offset, bytes_max]() -> Result<std::string> {
    TRY(source, open_regular_file(files.folder(), path));
    const Descriptor opened{source};
    std::string bytes(bytes_max, '\0');
    const ssize_t count = ::pread(opened.get(), bytes.data(), bytes.size(), offset);
    if (count < 0) return fail(Code::unavailable, "The storage cannot be read.", path);
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  };
  co_return co_await offload(browsers_, std::move(work));
}

Task<Result<std::optional<HomeTree>>> LocalDiskStorage::read_manifest(std::string user_id,
                                                                      std::size_t bytes_max) {
  CO_TRY(path, manifest_path(user_id));
  auto work = [path, bytes_max]() -> Result<std::optional<HomeTree>> {
    TRY(text, read_file(path, bytes_max));
    if (!text) return std::optional<HomeTree>();
    TRY(tree, decode_manifest(*text));
    return std::optional<HomeTree>(std::move(tree));
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalDiskStorage::write_manifest(std::string user_id, HomeTree tree) {
  CO_TRY(path, manifest_path(user_id));
  auto work = [path, tree = std::move(tree)]() -> Result<void> {
    TRY(text, encode_manifest(tree));
    return replace_file(path, text);
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<StorageUsage>> LocalDiskStorage::usage(StoragePlace place) {
  CO_TRY(files, objects(place));
  auto work = [files] { return files.count(); };
  co_return co_await offload(browsers_, std::move(work));
}

Task<Result<std::int64_t>> LocalDiskStorage::remove_all(StoragePlace place) {
  CO_TRY(files, objects(place));
  CO_TRY(manifest, manifest_path(place.user_id));
  auto work = [files, manifest, hot = place.tier == Tier::hot]() -> Result<std::int64_t> {
    // The manifest first: without objects it would make every file look deleted by its owner.
    if (hot && ::unlink(manifest.c_str()) != 0 && errno != ENOENT) {
      return fail(Code::unavailable, "The storage does not work.", manifest);
    }
    return files.remove_all();
  };
  co_return co_await offload(threads_, std::move(work));
}

}  // namespace matrx
