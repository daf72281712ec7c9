#include "core/home_plan.hpp"

#include <optional>
#include <set>

namespace matrx {
namespace {

using Maybe = const HomeNode*;

Maybe find(const HomeTree& tree, const std::string& path) {
  const auto found = tree.find(path);
  return found == tree.end() ? nullptr : &found->second;
}

// Permissions, owner and a folder's time: these go with the manifest and cost nothing.
bool same_attributes(const HomeNode& a, const HomeNode& b) {
  return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid;
}

// Whether the bytes on this disk are those that were synced: by size and time, as rsync does.
bool same_here(Maybe base, Maybe local) {
  if (base == nullptr || local == nullptr) return base == local;
  if (base->kind != local->kind) return false;
  if (base->kind == NodeKind::link) return base->target == local->target;
  if (base->kind == NodeKind::folder) return true;
  if (base->size_bytes != local->size_bytes || base->modified_ns != local->modified_ns)
    return false;
  // Other bytes of the same length under the same time (an archive unpacked, a tool that sets the
  // time back) show in the time that nobody can set. A change of permissions shows there as well.
  const bool known = base->changed_ns != 0 && local->changed_ns != 0;
  return !known || base->changed_ns == local->changed_ns || !same_attributes(*base, *local);
}

bool same_there(Maybe base, Maybe remote) {
  if (base == nullptr || remote == nullptr) return base == remote;
  if (base->kind != remote->kind) return false;
  if (base->kind == NodeKind::link) return base->target == remote->target;
  return base->kind == NodeKind::folder || base->tag == remote->tag;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

HomeNode new_folder() { return {.kind = NodeKind::folder, .mode = 0755}; }

class Planner {
 public:
  Planner(const HomeTree& base, const HomeTree& local, const HomeTree& remote,
          const std::string& sandbox_id)
      : base_(base), local_(local), remote_(remote), sandbox_id_(sandbox_id) {}

  UploadPlan plan() {
    std::set<std::string> paths;
    for (const HomeTree* tree : {&base_, &local_, &remote_}) {
      for (const auto& [path, node] : *tree) paths.insert(path);
    }
    for (const auto& path : paths) decide(path);
    for (const auto& path : theirs_) keep_theirs(path);
    restore_folders();
    remove_what_is_left();
    note_next_base();
    return std::move(plan_);
  }

 private:
  // What this sandbox stored itself is nobody else's change, also where a crash came before it was
  // noted here.
  Maybe base_of(const std::string& path) const {
    const Maybe base = find(base_, path), remote = find(remote_, path);
    const bool ours = remote != nullptr && remote->writer == sandbox_id_;
    return ours && !same_there(base, remote) ? remote : base;
  }

  void decide(const std::string& path) {
    const Maybe base = base_of(path), local = find(local_, path), remote = find(remote_, path);
    const bool here = !same_here(base, local), there = !same_there(base, remote);
    if (!here && !there) {
      if (local != nullptr) keep(path, *local, *remote);
    } else if (here && !there) {
      if (local != nullptr) take_ours(path, *local, remote);
    } else if (!here) {
      if (remote != nullptr) theirs_.push_back(path);
    } else {
      both_changed(path, local, remote);
    }
  }

  void both_changed(const std::string& path, Maybe local, Maybe remote) {
    if (local == nullptr && remote == nullptr) return;
    if (local == nullptr) {
      theirs_.push_back(path);  // removed here, changed there
    } else if (remote == nullptr) {
      take_ours(path, *local, nullptr);
    } else if (local->kind == NodeKind::folder && remote->kind == NodeKind::folder) {
      keep(path, *local, *remote);
    } else if (local->kind == NodeKind::link && remote->kind == NodeKind::link &&
               local->target == remote->target) {
      keep(path, *local, *remote);
    } else {
      if (remote->kind != NodeKind::folder) beside(path, *remote);
      take_ours(path, *local, remote);
    }
  }

  // The content stays as it is in the store; the attributes are those of whoever changed them.
  void keep(const std::string& path, const HomeNode& local, const HomeNode& remote) {
    HomeNode node = remote;
    node.changed_ns = 0;
    const Maybe base = base_of(path);
    if (base == nullptr || !same_attributes(*base, local)) {
      node.mode = local.mode;
      node.uid = local.uid;
      node.gid = local.gid;
    }
    if (node.kind != NodeKind::file) node.modified_ns = local.modified_ns;
    plan_.result[path] = node;
  }

  void take_ours(const std::string& path, const HomeNode& local, Maybe remote) {
    HomeNode node = local;
    node.changed_ns = 0;
    node.writer = sandbox_id_;
    if (remote != nullptr) plan_.before[path] = *remote;
    node.tag = remote != nullptr ? remote->tag : "";
    if (node.kind == NodeKind::file) plan_.put.push_back(path);
    plan_.result[path] = std::move(node);
  }

  // Changed there only. Where we have made something else of a folder above it, it moves aside.
  void keep_theirs(const std::string& path) {
    const HomeNode& node = remote_.at(path);
    if (node == new_folder()) return;  // nobody made it: what is kept in it brings it along
    for (std::string above = parent_of(path); !above.empty(); above = parent_of(above)) {
      const Maybe ours = find(plan_.result, above);
      if (ours == nullptr || ours->kind == NodeKind::folder) continue;
      move_aside(path, above, node);
      return;
    }
    for (std::string above = parent_of(path); !above.empty(); above = parent_of(above)) {
      const Maybe folder = find(remote_, above);  // where it was removed here, it comes back
      plan_.result.try_emplace(above, folder != nullptr ? *folder : new_folder());
    }
    if (node.kind != NodeKind::folder && has_ours_below(path)) {
      const Maybe folder = find(local_, path);
      plan_.result[path] = folder != nullptr ? *folder : new_folder();
      beside(path, node);
      return;
    }
    plan_.result.try_emplace(path, node);
  }

  // One that was removed on one side, while something in it was changed on the other.
  void restore_folders() {
    HomeTree missing;
    for (const auto& [path, node] : plan_.result) {
      for (std::string above = parent_of(path); !above.empty(); above = parent_of(above)) {
        if (plan_.result.contains(above)) continue;
        const Maybe ours = find(local_, above);
        missing.try_emplace(above, ours != nullptr ? *ours : new_folder());
      }
    }
    plan_.result.merge(missing);
  }

  bool has_ours_below(const std::string& path) const {
    const auto next = plan_.result.upper_bound(path + "/");
    return next != plan_.result.end() && next->first.starts_with(path + "/");
  }

  void beside(const std::string& path, const HomeNode& node) { move_aside(path, path, node); }

  // renamed: the path itself, or the folder above it that had to make room.
  void move_aside(const std::string& path, const std::string& renamed, const HomeNode& node) {
    const std::string rest = path.substr(renamed.size());
    const std::string wanted = renamed + suffix(node);
    std::string name = wanted;
    for (int n = 2; is_blocked(name, name + rest); ++n) {
      name = wanted + "-" + std::to_string(n);
    }
    const std::string to = name + rest;
    for (std::string above = parent_of(to); !above.empty(); above = parent_of(above)) {
      plan_.result.try_emplace(above, new_folder());
    }
    HomeNode aside = node;
    aside.writer.clear();  // it was never in a home under this name: nobody can have deleted it
    plan_.result[to] = std::move(aside);
    if (node.kind == NodeKind::file) plan_.set_aside.emplace_back(path, to);
  }

  bool is_taken(const std::string& path) const {
    return plan_.result.contains(path) || local_.contains(path) || remote_.contains(path);
  }

  // Something is there already, or what has to be a folder above it is none.
  bool is_blocked(const std::string& name, const std::string& to) const {
    if (is_taken(to)) return true;
    for (std::string above = parent_of(to); above.size() >= name.size(); above = parent_of(above)) {
      if (is_no_folder(above)) return true;
    }
    return false;
  }

  bool is_no_folder(const std::string& path) const {
    for (const HomeTree* tree : {&plan_.result, &local_, &remote_}) {
      const Maybe node = find(*tree, path);
      if (node != nullptr && node->kind != NodeKind::folder) return true;
    }
    return false;
  }

  static std::string suffix(const HomeNode& node) {
    return ".conflict-" + (node.writer.empty() ? std::string("unknown") : node.writer);
  }

  void remove_what_is_left() {
    for (const auto& [path, node] : remote_) {
      if (node.kind != NodeKind::file) continue;
      const Maybe after = find(plan_.result, path);
      if (after == nullptr || after->kind != NodeKind::file) plan_.remove.push_back(path);
    }
  }

  void note_next_base() {
    for (const auto& [path, node] : local_) {
      const Maybe base = base_of(path);
      const bool theirs = same_here(base, &node) && !same_there(base, find(remote_, path));
      plan_.next_base[path] = theirs ? *base : plan_.result.at(path);
      plan_.next_base[path].changed_ns = node.changed_ns;
    }
  }

  const HomeTree& base_;
  const HomeTree& local_;
  const HomeTree& remote_;
  const std::string& sandbox_id_;
  std::vector<std::string> theirs_;
  UploadPlan plan_;
};

}  // namespace

UploadPlan plan_upload(const HomeTree& base, const HomeTree& local, const HomeTree& remote,
                       const std::string& sandbox_id) {
  return Planner(base, local, remote, sandbox_id).plan();
}

HomeTree merge_listing(const HomeTree& manifest, const HomeTree& listing) {
  HomeTree merged;
  for (const auto& [path, node] : manifest) {
    if (node.kind != NodeKind::file) merged[path] = node;
  }
  for (const auto& [path, object] : listing) {
    const Maybe known = find(manifest, path);
    const bool same = known != nullptr && known->kind == NodeKind::file && known->tag == object.tag;
    HomeNode node = same ? *known : object;
    if (!same && known != nullptr && known->kind == NodeKind::file) {
      // Other bytes of the same file: S3 says nothing of its permissions and owner.
      node.mode = known->mode;
      node.uid = known->uid;
      node.gid = known->gid;
    }
    merged[path] = std::move(node);
    for (std::string above = parent_of(path); !above.empty(); above = parent_of(above)) {
      // An object below what the manifest calls a link or a file makes a folder of it.
      HomeNode& folder = merged[above];
      if (folder.kind != NodeKind::folder && !listing.contains(above)) {
        folder = new_folder();
      }
    }
  }
  return merged;
}

}  // namespace matrx
