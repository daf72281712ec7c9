#include "core/home_trees.hpp"

#include <algorithm>
#include <functional>
#include <set>

namespace matrx {

std::vector<std::string> files_of(const HomeTree& tree) {
  std::vector<std::string> paths;
  for (const auto& [path, node] : tree) {
    if (node.kind == NodeKind::file) paths.push_back(path);
  }
  return paths;
}

std::int64_t bytes_of(const HomeNode& node, bool keeps_holes) {
  return node.size_bytes - (keeps_holes ? node.hole_bytes : 0);
}

std::int64_t bytes_of(const HomeTree& tree, bool keeps_holes) {
  std::int64_t bytes = 0;
  for (const auto& [path, node] : tree) {
    if (node.kind == NodeKind::file) bytes = add_capped(bytes, bytes_of(node, keeps_holes));
  }
  return bytes;
}

std::vector<std::string> take_out_what_does_not_fit(HomeTree& tree, std::int64_t bytes_max,
                                                    bool keeps_holes) {
  std::vector<std::string> taken;
  if (bytes_of(tree, keeps_holes) <= bytes_max) return taken;
  std::vector<std::pair<std::int64_t, std::string>> by_size;
  for (const auto& [path, node] : tree) {
    if (node.kind == NodeKind::file) by_size.emplace_back(bytes_of(node, keeps_holes), path);
  }
  std::ranges::sort(by_size);
  std::int64_t kept = 0;
  for (auto& [size, path] : by_size) {
    kept = add_capped(kept, size);
    if (kept <= bytes_max) continue;
    tree.erase(path);
    taken.push_back(std::move(path));
  }
  std::ranges::reverse(taken);  // the largest first
  return taken;
}

std::vector<std::string> make_folders_of_files_in_the_way(HomeTree& tree) {
  std::vector<std::string> found;
  for (auto& [path, node] : tree) {
    if (node.kind != NodeKind::file) continue;
    const auto below = tree.lower_bound(path + "/");
    if (below == tree.end() || !below->first.starts_with(path + "/")) continue;
    node = {.kind = NodeKind::folder, .mode = 0755};
    found.push_back(path);
  }
  return found;
}

bool is_same_home(const HomeTree& base, const HomeTree& local) {
  return std::ranges::equal(base, local, [](const auto& a, const auto& b) {
    HomeNode node = b.second;
    node.tag = a.second.tag;
    node.writer = a.second.writer;
    if (node.kind == NodeKind::folder) node.size_bytes = a.second.size_bytes;
    node.hole_bytes = a.second.hole_bytes;  // where its blocks lie is no matter of its content
    return a.first == b.first && a.second == node;
  });
}

std::pair<std::vector<std::string>, std::vector<std::string>> split_removals(
    const UploadPlan& plan) {
  std::set<std::string> put(plan.put.begin(), plan.put.end());
  std::pair<std::vector<std::string>, std::vector<std::string>> split;
  for (const auto& path : plan.remove) {
    const auto below = put.lower_bound(path + "/");
    bool blocks = below != put.end() && below->starts_with(path + "/");
    for (auto slash = path.rfind('/'); slash != std::string::npos && !blocks;
         slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
      blocks = put.contains(path.substr(0, slash));
    }
    (blocks ? split.first : split.second).push_back(path);
  }
  return split;
}

void note_ours(const HomeTree& journal, HomeTree& remote, const std::string& sandbox_id) {
  for (const auto& [path, sent] : journal) {
    const auto there = remote.find(path);
    if (there == remote.end() || !there->second.writer.empty()) continue;
    if (there->second.size_bytes == sent.size_bytes) {
      const std::string tag = there->second.tag;
      there->second = sent;
      there->second.tag = tag;
    }
    there->second.writer = sandbox_id;
  }
}

bool keep_missing(const HomeTree& base, HomeTree& local) {
  for (const auto& [path, node] : base) {
    if (local.contains(path)) continue;
    const auto below = local.upper_bound(path + "/");
    if (below != local.end() && below->first.starts_with(path + "/")) return false;
    const auto slash = path.rfind('/');
    if (slash != std::string::npos) {
      const auto above = local.find(path.substr(0, slash));
      if (above == local.end() || above->second.kind != NodeKind::folder) return false;
    }
    local.emplace(path, node);
  }
  return true;
}

}  // namespace matrx
