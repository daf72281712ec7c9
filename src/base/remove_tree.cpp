#include "base/remove_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace matrx {
namespace {

constexpr std::size_t kNamesAtOnceMax = 4096;  // a folder may hold millions

std::error_code last_error() { return {errno, std::generic_category()}; }

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

// Nothing where it is no folder (a link to one is none).
Listing open_folder(int above, const char* name) {
  const int opened = ::openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return {opened < 0 ? nullptr : ::fdopendir(opened), &::closedir};
}

std::vector<std::string> some_names(DIR* listing) {
  std::vector<std::string> names;
  ::rewinddir(listing);
  while (names.size() < kNamesAtOnceMax) {
    const dirent* entry = ::readdir(listing);
    if (entry == nullptr) break;
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

// Depth becomes width: what is a folder inside of a folder moves up to the top, and its turn comes.
class Flattener {
 public:
  explicit Flattener(DIR* top) : top_(top), prefix_(".removing-" + SystemRandom().hex(8) + "-") {}

  std::error_code run() {
    for (auto names = some_names(top_); !names.empty(); names = some_names(top_)) {
      bool progress = false;
      for (const auto& name : names) progress = remove(name) || progress;
      if (!progress) return problem_;
    }
    return {};
  }

 private:
  bool remove(const std::string& name) {
    const int top = ::dirfd(top_);
    if (::unlinkat(top, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    const Listing folder = open_folder(top, name.c_str());
    if (!folder) return failed();
    bool progress = false;
    for (auto inner = some_names(folder.get()); !inner.empty(); inner = some_names(folder.get())) {
      bool round = false;
      for (const auto& entry : inner) round = empty_out(::dirfd(folder.get()), entry) || round;
      if (!round) return progress;
      progress = true;
    }
    return ::unlinkat(top, name.c_str(), AT_REMOVEDIR) == 0 || failed() || progress;
  }

  bool empty_out(int folder, const std::string& entry) {
    if (::unlinkat(folder, entry.c_str(), 0) == 0 || errno == ENOENT) return true;
    const std::string moved = prefix_ + std::to_string(++moved_);
    return ::renameat(folder, entry.c_str(), ::dirfd(top_), moved.c_str()) == 0 || failed();
  }

  bool failed() {
    problem_ = last_error();
    return false;
  }

  DIR* top_;
  std::string prefix_;
  std::size_t moved_ = 0;
  std::error_code problem_;
};

}  // namespace

std::error_code remove_tree(const std::filesystem::path& folder) {
  const Listing top = open_folder(AT_FDCWD, folder.c_str());
  if (!top) {
    // Gone already, or something else has taken its name.
    if (errno == ENOENT || ::unlink(folder.c_str()) == 0 || errno == ENOENT) return {};
    return last_error();
  }
  if (const auto problem = Flattener(top.get()).run()) return problem;
  if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return {};
  return last_error();
}

}  // namespace matrx
