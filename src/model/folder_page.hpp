#pragma once
// A part of what lies directly in a folder of the storage, in order of names.

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include "model/home_tree.hpp"

namespace matrx {

struct FolderPage {
  HomeTree entries;        // by their whole paths: files and folders
  bool truncated = false;  // there is more behind the last one
};

// Which part: what comes after a name, at most so many.
struct FolderQuery {
  std::string folder;  // empty: the top
  std::string after;   // a name; empty: from the beginning
  std::size_t entries_max = 0;

  std::string prefix() const { return folder.empty() ? "" : folder + "/"; }
};

// Keeps those that belong to the page, of any number in any order. S3 may hold a file and a folder
// of one name: then it is the file.
class FolderPageMaker {
 public:
  explicit FolderPageMaker(const FolderQuery& query)
      : first_(query.after.empty() ? "" : query.prefix() + query.after),
        entries_max_(query.entries_max) {}

  // Whether add() would keep it: what is known of others need not be asked for.
  bool wants(const std::string& path) {
    if (!first_.empty() && path <= first_) return false;
    const bool is_full = entries_max_ > 0 && page_.entries.size() >= entries_max_;
    if (!is_full || path <= page_.entries.rbegin()->first) return true;
    page_.truncated = true;
    return false;
  }

  void add(const std::string& path, const HomeNode& node) {
    if (!wants(path)) return;
    const auto [known, is_new] = page_.entries.try_emplace(path, node);
    if (!is_new && node.kind == NodeKind::file) known->second = node;
    if (page_.entries.size() <= entries_max_) return;
    page_.entries.erase(std::prev(page_.entries.end()));
    page_.truncated = true;
  }
  FolderPage take() { return std::move(page_); }

 private:
  std::string first_;
  std::size_t entries_max_;
  FolderPage page_;
};

}  // namespace matrx
