#include "adapters/homes/local_homes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "adapters/homes/after_restart.hpp"
#include "adapters/homes/home_attributes.hpp"
#include "async/offload.hpp"
#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/limits.hpp"
#include "base/memory.hpp"
#include "base/remove_tree.hpp"
#include "wire/home_manifest.hpp"
#include "wire/json.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAboutBytesMax = 4096;

Result<HomeTree> read_tree(const std::string& path) {
  TRY(text, read_file(path, kManifestBytesMax));
  if (!text) return fail(Code::not_found, "The home was never complete.", path);
  return decode_manifest(*text);
}

// What a home says of itself from its beginning. Empty: it does not say so.
struct About {
  std::string user_id;
  std::string installation;
  std::string boot;
};

Result<About> read_about(const std::string& path) {
  TRY(text, read_file(path, kAboutBytesMax));
  const auto parsed = json::parse(text.value_or("{}"));
  const json::object* object = parsed ? parsed->if_object() : nullptr;
  if (object == nullptr) return About();
  return About{.user_id = std::string(json::text_at(*object, "user_id")),
               .installation = std::string(json::text_at(*object, "installation")),
               .boot = std::string(json::text_at(*object, "boot"))};
}

// A storage that knows no holes has given zeros for them. What does not work costs room, no more.
void dig_holes_in(const std::string& home, const HomeTree& tree) {
  const Descriptor folder(::open(home.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const auto& [path, node] : tree) {
    if (node.hole_bytes == 0) continue;
    const Descriptor file(folder ? open_beneath(folder.get(), path, O_RDWR | O_NONBLOCK) : -1);
    struct stat info{};
    const bool is_full = file && ::fstat(file.get(), &info) == 0 && holes_of(info) == 0;
    if (!is_full) continue;
    [[maybe_unused]] const auto dug = dig_holes(file.get());
  }
}

// The last step of a sync: with it goes what the home took in memory.
Result<void> write_last(const std::string& path, HomeTree& tree) {
  TRY(text, encode_manifest(tree));
  CHECK_OK(replace_file(path, text));
  const std::size_t nodes = tree.size();
  tree.clear();
  give_back_memory(nodes);
  return {};
}

}  // namespace

std::string LocalHomes::file(const SandboxId& id, const char* name) const {
  return (fs::path(root_) / id.text() / name).string();
}

std::string LocalHomes::folder(const SandboxId& id) const { return file(id, "home"); }

Task<Result<void>> LocalHomes::open() {
  std::error_code ec;
  fs::create_directories(root_, ec);
  if (!ec && ::chmod(root_.c_str(), 0700) == 0) co_return Result<void>();
  if (ec) errno = ec.value();
  Error why = file_error("make " + root_).error();
  if (why.code == Code::exhausted) co_return std::unexpected(std::move(why));
  co_return fail(Code::unavailable, "MATRX_DATA_DIR: the folder of homes cannot be written", root_);
}

Task<Result<void>> LocalHomes::make(SandboxId id, std::string user_id) {
  const json::object told = {
      {"user_id", user_id}, {"installation", installation_}, {"boot", boot_}};
  auto work = [home = folder(id), about = file(id, "about.json"), top = file(id, ""),
               text = json::serialize(told)]() -> Result<void> {
    if (const auto ec = remove_tree(top); ec && ec != std::errc::no_such_file_or_directory) {
      return fail(Code::unavailable, "An older home is in the way.", top + ": " + ec.message());
    }
    CHECK_OK(replace_file(about, text));
    const bool made = ::mkdir(home.c_str(), 0755) == 0 && ::chmod(home.c_str(), 0755) == 0 &&
                      ::chown(home.c_str(), kAgentUid, kAgentUid) == 0;
    if (!made) return file_error("make " + home);
    return {};
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalHomes::finish(SandboxId id, HomeTree tree) {
  auto work = [home = folder(id), base = file(id, "base.json"),
               tree = std::move(tree)]() mutable -> Result<void> {
    dig_holes_in(home, tree);
    CHECK_OK(give_attributes(home, tree));
    return write_last(base, tree);
  };
  co_return co_await offload(threads_, std::move(work));
}

HomeLimits LocalHomes::limits_of(ScanReach reach) const {
  HomeLimits limits = limits_;
  limits.cuts = reach != ScanReach::whole;
  if (reach == ScanReach::ordinary) {
    limits.nodes_max = std::min(limits.nodes_max, kOrdinaryHomeNodes);
    limits.names_bytes_max = std::min(limits.names_bytes_max, kOrdinaryHomeNamesBytes);
  }
  // The other half is for what the storage has beside it.
  if (reach == ScanReach::fitting) {
    limits.nodes_max /= 2;
    limits.names_bytes_max /= 2;
  }
  return limits;
}

Task<Result<HomeScan>> LocalHomes::scan(SandboxId id, ScanReach reach) {
  auto work = [this, home = folder(id), about = file(id, "about.json"),
               limits = limits_of(reach)]() -> Result<HomeScan> {
    TRY(told, read_about(about));
    auto scan = scan_home(home, excludes_, limits);
    if (!scan && scan.error().code == Code::too_large) give_back_memory(limits.nodes_max);
    if (!scan) return scan;
    // One that an older version made does not say so.
    scan->is_after_restart = !told.boot.empty() && told.boot != boot_;
    if (scan->is_after_restart) scan->holed = find_holes(home, scan->tree);
    return scan;
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<std::int64_t>> LocalHomes::noted_bytes(SandboxId id) {
  auto work = [base = file(id, "base.json"),
               journal = file(id, "journal.json")]() -> Result<std::int64_t> {
    std::int64_t bytes = 0;
    for (const std::string& path : {base, journal}) {
      struct stat info{};
      if (::stat(path.c_str(), &info) == 0) bytes += info.st_size;
    }
    return bytes;
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<HomeTree>> LocalHomes::base(SandboxId id) {
  auto work = [path = file(id, "base.json")] { return read_tree(path); };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalHomes::write_base(SandboxId id, HomeTree tree) {
  auto work = [base = file(id, "base.json"), journal = file(id, "journal.json"),
               tree = std::move(tree)]() mutable -> Result<void> {
    CHECK_OK(write_last(base, tree));
    if (::unlink(journal.c_str()) != 0 && errno != ENOENT) return file_error("remove " + journal);
    return {};
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<HomeTree>> LocalHomes::journal(SandboxId id) {
  auto work = [path = file(id, "journal.json")]() -> Result<HomeTree> {
    auto tree = read_tree(path);
    if (!tree && tree.error().code == Code::not_found) return HomeTree();
    return tree;
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalHomes::write_journal(SandboxId id, HomeTree files) {
  auto work = [path = file(id, "journal.json"), files = std::move(files)]() -> Result<void> {
    TRY(text, encode_manifest(files));
    return replace_file(path, text);
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<void>> LocalHomes::forget(SandboxId id) {
  auto work = [top = file(id, "")]() -> Result<void> {
    const auto ec = remove_tree(top);
    if (!ec || ec == std::errc::no_such_file_or_directory) return {};
    return fail(Code::unavailable, "A home cannot be removed.", top + ": " + ec.message());
  };
  co_return co_await offload(sweepers_, std::move(work));
}

Task<Result<void>> LocalHomes::rename(SandboxId id, Renames renames) {
  auto work = [home = folder(id), renames = std::move(renames)] {
    return rename_in_home(home, renames);
  };
  co_return co_await offload(threads_, std::move(work));
}

Task<Result<std::vector<KeptHome>>> LocalHomes::list() {
  auto work = [root = root_]() -> Result<std::vector<KeptHome>> {
    std::vector<KeptHome> kept;
    std::error_code ec;
    for (fs::directory_iterator at(root, ec), end; !ec && at != end; at.increment(ec)) {
      const auto id = SandboxId::parse(at->path().filename().string());
      if (!id) continue;
      TRY(about, read_about((at->path() / "about.json").string()));
      kept.push_back({.id = *id,
                      .user_id = std::move(about.user_id),
                      .installation = std::move(about.installation)});
    }
    if (ec) return fail(Code::unavailable, "The homes cannot be listed.", ec.message());
    return kept;
  };
  co_return co_await offload(threads_, std::move(work));
}

}  // namespace matrx
