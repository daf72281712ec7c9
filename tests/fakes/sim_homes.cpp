#include "fakes/sim_homes.hpp"

namespace matrx {
namespace {

std::unexpected<Error> no_answer() {
  return fail(Code::unavailable, "The storage does not answer.");
}
std::unexpected<Error> no_home() { return fail(Code::not_found, "The home was never complete."); }
std::unexpected<Error> no_file() { return fail(Code::not_found, "There is no such file."); }

}  // namespace

template <class T>
Task<Result<T>> SimStorage::disturbed(std::function<Result<T>()> act) {
  co_await clock_.sleep(world_.delay());
  if (world_.faults.storage_hangs) co_await clock_.sleep(std::chrono::hours(48));
  if (world_.strikes("storage fails", world_.faults.storage_fails)) co_return no_answer();
  world_.land();
  auto done = act();
  co_await clock_.sleep(world_.delay());
  if (world_.strikes("storage's answer is lost", world_.faults.storage_loses)) {
    co_return no_answer();
  }
  co_return done;
}

Task<Result<void>> SimStorage::open() { return ping(); }
Task<Result<void>> SimStorage::ping() {
  ++world_.pings;
  if (const auto code = world_.faults.storage_open_fails) co_return fail(*code, "The storage.");
  co_return Result<void>();
}

Task<Result<HomeTree>> SimStorage::list(StoragePlace place) {
  return disturbed<HomeTree>([this, place] { return objects(place); });
}

Task<Result<FolderPage>> SimStorage::list_folder(StoragePlace place, FolderQuery query) {
  return disturbed<FolderPage>([this, place, query]() -> Result<FolderPage> {
    FolderPageMaker page(query);
    bool is_there = query.folder.empty();
    const std::string prefix = query.prefix();
    for (const auto& [path, node] : objects(place)) {
      if (!path.starts_with(prefix)) continue;
      is_there = true;
      const auto slash = path.find('/', prefix.size());
      if (slash == std::string::npos) {
        page.add(path, node);
      } else {
        page.add(path.substr(0, slash), {.kind = NodeKind::folder, .mode = 0755});
      }
    }
    if (!is_there) return no_file();
    return page.take();
  });
}

Task<Result<HomeNode>> SimStorage::stat(StoragePlace place, std::string path) {
  return disturbed<HomeNode>([this, place, path]() -> Result<HomeNode> {
    if (!objects(place).contains(path)) return no_file();
    return objects(place)[path];
  });
}

Task<Result<Storage::Stored>> SimStorage::store(StoragePlace place, std::string from_folder,
                                                std::vector<std::string> paths,
                                                std::int64_t file_bytes_max) {
  if (world_.storage_refuses_files) {
    co_return fail(Code::unavailable, "The storage denies access.");
  }
  // File by file, so that a failure leaves some of them there.
  Stored stored;
  for (const auto& path : paths) {
    auto one = [&]() -> Result<void> {
      const HomeTree& home = world_.homes[SandboxId::parse(from_folder).value()].tree;
      const auto file = home.find(path);
      if (file == home.end() || file->second.kind != NodeKind::file) return {};
      if (world_.held_files.contains(path) || file->second.size_bytes > file_bytes_max) {
        ++stored.held;
        return {};
      }
      HomeNode object{.modified_ns = file->second.modified_ns,
                      .size_bytes = file->second.size_bytes,
                      .tag = "t" + std::to_string(++world_.object_count)};
      world_.changes.push_back({life_, world_.clock.now()});
      if (world_.chance(world_.faults.lands_late)) {
        auto effect = [world = &world_, place, path, object] {
          world->objects[place.user_id][place.tier][path] = object;
        };
        world_.land_later("object stored late", late(), std::move(effect));
        return no_answer();
      }
      stored.tags[path] = object.tag;
      objects(place)[path] = object;
      return {};
    };
    CO_CHECK(co_await disturbed<void>(one));
  }
  co_return stored;
}

Task<Result<void>> SimStorage::fetch(StoragePlace place, std::vector<std::string> paths,
                                     std::string into_folder, std::vector<std::string>) {
  return disturbed<void>([this, place, paths, into_folder]() -> Result<void> {
    for (const auto& path : paths) {
      if (!objects(place).contains(path)) return no_file();
      world_.homes[SandboxId::parse(into_folder).value()].tree[path] = objects(place)[path];
    }
    return {};
  });
}

Task<Result<std::string>> SimStorage::copy(StoragePlace place, std::string from, std::string to) {
  return disturbed<std::string>([this, place, from, to]() -> Result<std::string> {
    if (!objects(place).contains(from)) return no_file();
    HomeNode object = objects(place)[from];
    object.tag = "t" + std::to_string(++world_.object_count);
    objects(place)[to] = object;
    return object.tag;
  });
}

Task<Result<void>> SimStorage::remove(StoragePlace place, std::vector<std::string> paths) {
  return disturbed<void>([this, place, paths]() -> Result<void> {
    for (const auto& path : paths) objects(place).erase(path);
    return {};
  });
}

Task<Result<void>> SimStorage::drop_unfinished(StoragePlace, std::vector<std::string>) {
  return disturbed<void>([]() -> Result<void> { return {}; });
}

Task<Result<std::string>> SimStorage::read(StoragePlace place, std::string path, std::int64_t,
                                           std::size_t) {
  return disturbed<std::string>([this, place, path]() -> Result<std::string> {
    if (!objects(place).contains(path)) return no_file();
    return std::to_string(objects(place)[path].modified_ns);
  });
}

Task<Result<std::optional<HomeTree>>> SimStorage::read_manifest(std::string user_id, std::size_t) {
  return disturbed<std::optional<HomeTree>>([this, user_id]() -> Result<std::optional<HomeTree>> {
    if (world_.broken_manifests.contains(user_id)) {
      return fail(Code::invalid, "The manifest is not one.");
    }
    const auto found = world_.manifests.find(user_id);
    if (found == world_.manifests.end()) return std::optional<HomeTree>();
    return std::optional<HomeTree>(found->second);
  });
}

Task<Result<void>> SimStorage::write_manifest(std::string user_id, HomeTree tree) {
  return disturbed<void>([this, user_id, tree]() -> Result<void> {
    world_.changes.push_back({life_, world_.clock.now()});
    if (world_.chance(world_.faults.lands_late)) {
      auto effect = [world = &world_, user_id, tree] { world->manifests[user_id] = tree; };
      world_.land_later("manifest written late", late(), std::move(effect));
      return no_answer();
    }
    world_.manifests[user_id] = tree;
    return {};
  });
}

Task<Result<StorageUsage>> SimStorage::usage(StoragePlace place) {
  return disturbed<StorageUsage>([this, place]() -> Result<StorageUsage> {
    StorageUsage usage;
    for (const auto& [path, node] : objects(place)) {
      usage.total_size_bytes += node.size_bytes;
      ++usage.total_objects;
    }
    return usage;
  });
}

Task<Result<std::int64_t>> SimStorage::remove_all(StoragePlace place) {
  return disturbed<std::int64_t>([this, place]() -> Result<std::int64_t> {
    const auto count = static_cast<std::int64_t>(objects(place).size());
    objects(place).clear();
    if (place.tier == Tier::hot) world_.manifests.erase(place.user_id);
    if (place.tier == Tier::hot) world_.broken_manifests.erase(place.user_id);
    return count;
  });
}

Task<Result<void>> SimHomes::open() { co_return Result<void>(); }

Task<Result<void>> SimHomes::make(SandboxId id, std::string user_id) {
  world_.homes[id] = {.installation = installation_, .user_id = std::move(user_id)};
  co_return Result<void>();
}

Task<Result<void>> SimHomes::finish(SandboxId id, HomeTree tree) {
  SimHome& home = world_.homes[id];
  for (const auto& [path, node] : tree) {
    if (node.kind == NodeKind::file && !home.tree.contains(path)) co_return no_file();
  }
  home.base = tree;
  for (auto& [path, node] : tree) node.tag = node.writer = "";
  home.tree = std::move(tree);
  co_return Result<void>();
}

Task<Result<HomeScan>> SimHomes::scan(SandboxId id, ScanReach reach) {
  const auto home = world_.homes.find(id);
  if (home == world_.homes.end()) co_return no_home();
  HomeScan scan{.tree = home->second.tree, .is_after_restart = home->second.is_after_restart};
  for (const auto& [path, node] : scan.tree) {
    scan.bytes += node.size_bytes - node.hole_bytes;
    scan.hole_bytes += node.hole_bytes;
  }
  if (reach == ScanReach::whole && scan.tree.size() > world_.home_nodes_max) {
    co_return fail(Code::too_large, "The home has too many files.");
  }
  while (scan.tree.size() > world_.home_nodes_max) {
    scan.tree.erase(std::prev(scan.tree.end()));
    scan.is_cut = true;
  }
  const auto container = world_.containers.find(id);
  const bool is_in_use =
      container != world_.containers.end() && container->second.state == ContainerState::running;
  if (is_in_use && world_.strikes("scan of a home in motion", world_.faults.scans_miss)) {
    scan.was_moving = true;
    std::erase_if(scan.tree, [this](const auto&) { return world_.chance(0.3); });
  }
  co_return scan;
}

Task<Result<HomeTree>> SimHomes::base(SandboxId id) {
  const auto home = world_.homes.find(id);
  if (home == world_.homes.end() || !home->second.base) co_return no_home();
  co_return *home->second.base;
}

Task<Result<void>> SimHomes::write_base(SandboxId id, HomeTree tree) {
  const auto home = world_.homes.find(id);
  if (home == world_.homes.end()) co_return no_home();
  home->second.base = std::move(tree);
  home->second.journal.clear();
  co_return Result<void>();
}

Task<Result<HomeTree>> SimHomes::journal(SandboxId id) {
  const auto home = world_.homes.find(id);
  if (home == world_.homes.end()) co_return no_home();
  co_return home->second.journal;
}

Task<Result<void>> SimHomes::write_journal(SandboxId id, HomeTree files) {
  const auto home = world_.homes.find(id);
  if (home == world_.homes.end()) co_return no_home();
  home->second.journal = std::move(files);
  co_return Result<void>();
}

Task<Result<void>> SimHomes::forget(SandboxId id) {
  world_.homes.erase(id);
  co_return Result<void>();
}

Task<Result<void>> SimHomes::rename(SandboxId id, Renames renames) {
  HomeTree& tree = world_.homes[id].tree;
  for (const auto& [from, to] : renames) {
    auto node = tree.extract(from);
    if (node.empty() || tree.contains(to)) co_return no_file();
    node.key() = to;
    tree.insert(std::move(node));
  }
  co_return Result<void>();
}

Task<Result<std::vector<KeptHome>>> SimHomes::list() {
  std::vector<KeptHome> kept;
  for (const auto& [id, home] : world_.homes) {
    if (home.installation == installation_) kept.push_back({id, home.user_id, home.made_by});
  }
  co_return kept;
}

}  // namespace matrx
