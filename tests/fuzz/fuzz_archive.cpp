// A hostile archive is unpacked: whatever it holds, nothing appears beside its folder.

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "agent/archive_sink.hpp"

namespace {

namespace fs = std::filesystem;

const fs::path& root() {
  static const fs::path made = [] {
    std::string name = (fs::temp_directory_path() / "matrx-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    fs::create_directories(fs::path(name) / "guard");
    return fs::canonical(name);
  }();
  return made;
}

// Whoever fuzzes without being root could not look into what is closed to its owner.
void open_up(const fs::path& folder) {
  fs::permissions(folder, fs::perms::owner_all, fs::perm_options::add);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_symlink() && entry.is_directory()) open_up(entry.path());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace matrx::agent;
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  {
    auto sink = ArchiveSink::open((root() / "in").string(), (data[0] & 1) != 0);
    if (!sink) std::abort();
    const std::size_t piece = 1 + data[0] * std::size_t{9};
    bool good = true;
    while (good && !bytes.empty()) {
      good = sink->take(bytes.substr(0, piece)).has_value();
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    if (good) (void)sink->finish();
  }
  open_up(root() / "in");
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(root())) {
    ++count;
    if (entry.path().filename() != "in" && entry.path().filename() != "guard") std::abort();
  }
  if (count != 2 || !fs::is_empty(root() / "guard")) std::abort();
  for (const auto& entry : fs::recursive_directory_iterator(root() / "in")) {
    if (entry.path().filename().string().starts_with(".matrx-upload")) std::abort();
    if (!entry.is_symlink() || (data[0] & 1) != 0) continue;
    const auto path = fs::relative(entry.path().parent_path(), root() / "in") / "link";
    if (!stays_inside(path.string(), fs::read_symlink(entry.path()).string())) std::abort();
  }
  fs::remove_all(root() / "in");
  return 0;
}
