#include "core/home_doubts.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>

namespace matrx {
namespace {

constexpr std::size_t kNameBytesMax = 255;  // NAME_MAX
constexpr std::size_t kNumberBytesMax = 9;  // of "-1234567"

enum class Verdict { believe, keep_stored, keep_both };

// By st_ctime, which only grows and which nobody can set. What a sync has stored without noting it
// here is told by its modification time.
bool is_older(const HomeNode& stored, const HomeNode& local) {
  if (stored.changed_ns != 0) return local.changed_ns < stored.changed_ns;
  return local.modified_ns < stored.modified_ns;
}

bool is_same_change(const HomeNode& stored, const HomeNode& local) {
  if (stored.changed_ns != 0) return local.changed_ns == stored.changed_ns;
  return local.modified_ns == stored.modified_ns;
}

Verdict judge(const HomeNode& stored, const HomeNode& local, bool has_holes) {
  if (stored.kind != local.kind) return Verdict::keep_both;
  if (stored.kind != NodeKind::file) return Verdict::believe;
  if (is_same_change(stored, local)) {
    return local.size_bytes == stored.size_bytes ? Verdict::believe : Verdict::keep_stored;
  }
  if (local.size_bytes == 0 && stored.size_bytes > 0) return Verdict::keep_stored;
  const bool is_doubtful =
      local.size_bytes < stored.size_bytes || is_older(stored, local) || has_holes;
  return is_doubtful ? Verdict::keep_both : Verdict::believe;
}

// At most so many bytes of it, and no half of a character.
std::string shortened(std::string name, std::size_t bytes_max) {
  if (name.size() <= bytes_max) return name;
  while (bytes_max > 0 && (static_cast<unsigned char>(name[bytes_max]) & 0xC0U) == 0x80U) {
    --bytes_max;
  }
  name.resize(bytes_max);
  return name;
}

// Where to go on counting, by the name without its number: thousands of long names may be one when
// they are shortened.
using Numbers = std::map<std::string, int>;

std::string name_beside(const std::string& path, const std::string& sandbox_id, Numbers& numbers,
                        const std::function<bool(const std::string&)>& is_taken) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::string name = path.substr(folder.size());
  const std::string first = ".conflict-" + sandbox_id;
  int& n = numbers[folder + shortened(name, kNameBytesMax - first.size() - kNumberBytesMax)];
  for (;;) {
    const std::string suffix = ++n == 1 ? first : first + "-" + std::to_string(n);
    std::string wanted = folder + shortened(name, kNameBytesMax - suffix.size()) + suffix;
    if (!is_taken(wanted)) return wanted;
  }
}

class Doubter {
 public:
  Doubter(const HomeTree& base, const HomeTree& remote, HomeScan& scan,
          const std::string& sandbox_id)
      : base_(base), remote_(remote), scan_(scan), sandbox_id_(sandbox_id) {}

  // Folders come before what is in them, so that what is in the way is moved first.
  HomeDoubts run() {
    for (const auto& [path, stored] : known()) {
      const auto local = scan_.tree.find(path);
      if (local == scan_.tree.end()) {
        keep(path, stored);
        continue;
      }
      switch (judge(stored, local->second, scan_.holed.contains(path))) {
        case Verdict::believe:
          break;
        case Verdict::keep_both:
          move_aside(path);
          [[fallthrough]];
        case Verdict::keep_stored:
          keep(path, stored);
      }
    }
    return std::move(doubts_);
  }

 private:
  // What the storage has by this sandbox: as it was noted, or as a sync has left it that was cut
  // off.
  HomeTree known() const {
    HomeTree known = base_;
    for (const auto& [path, node] : remote_) {
      if (node.writer != sandbox_id_) continue;
      const auto noted = known.find(path);
      if (noted == known.end() || noted->second.kind != node.kind ||
          noted->second.tag != node.tag) {
        known.insert_or_assign(path, node);
      }
    }
    return known;
  }

  void keep(const std::string& path, const HomeNode& stored) {
    scan_.tree.insert_or_assign(path, stored);
    ++doubts_.kept;
  }

  // With all that is below it.
  void move_aside(const std::string& path) {
    const std::string to = name_beside(path, sandbox_id_, numbers_,
                                       [this](const std::string& name) { return is_taken(name); });
    doubts_.beside.emplace_back(path, to);
    std::vector<HomeTree::node_type> moved;
    moved.push_back(scan_.tree.extract(path));
    const std::string below = path + "/";
    for (auto at = scan_.tree.lower_bound(below);
         at != scan_.tree.end() && at->first.starts_with(below);) {
      moved.push_back(scan_.tree.extract(at++));
    }
    for (auto& node : moved) {
      node.key() = to + node.key().substr(path.size());
      scan_.tree.insert(std::move(node));
    }
  }

  bool is_taken(const std::string& path) const {
    return scan_.tree.contains(path) || remote_.contains(path) || base_.contains(path);
  }

  const HomeTree& base_;
  const HomeTree& remote_;
  HomeScan& scan_;
  const std::string& sandbox_id_;
  Numbers numbers_;
  HomeDoubts doubts_;
};

}  // namespace

HomeDoubts doubt_after_crash(const HomeTree& base, const HomeTree& remote, HomeScan& scan,
                             const std::string& sandbox_id) {
  return Doubter(base, remote, scan, sandbox_id).run();
}

std::size_t keep_replaced(UploadPlan& plan, const HomeTree& remote, const HomeTree& local,
                          const std::string& sandbox_id) {
  std::set<std::string> is_kept;
  for (const auto& [from, to] : plan.set_aside) is_kept.insert(from);
  std::size_t kept = 0;
  Numbers numbers;
  for (const auto& path : plan.put) {
    const auto before = plan.before.find(path);
    const bool is_replaced = before != plan.before.end() && before->second.kind == NodeKind::file &&
                             before->second.size_bytes > 0 && !is_kept.contains(path);
    if (!is_replaced) continue;
    ++kept;
    bool is_there = false;
    const std::string to = name_beside(path, sandbox_id, numbers, [&](const std::string& name) {
      const auto there = remote.find(name);
      is_there = there != remote.end() && there->second.kind == NodeKind::file &&
                 there->second.size_bytes == before->second.size_bytes && !local.contains(name);
      return !is_there && (plan.result.contains(name) || local.contains(name));
    });
    if (is_there) continue;
    HomeNode aside = before->second;
    aside.writer.clear();  // it was never in a home under this name: nobody can have deleted it
    plan.result[to] = std::move(aside);
    plan.set_aside.emplace_back(path, to);
  }
  return kept;
}

}  // namespace matrx
