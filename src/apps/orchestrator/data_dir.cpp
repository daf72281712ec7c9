#include "apps/orchestrator/data_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/files.hpp"

namespace matrx {
namespace {

namespace fs = std::filesystem;

constexpr auto kOwnerOnly = fs::perms::owner_all;

constexpr std::size_t kInstallationBytesMax = 256;

std::string read_program(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

// Either the old content or the new one, whatever happens meanwhile.
Result<void> replace_program(const fs::path& path, const std::string& content, fs::perms mode) {
  const fs::path fresh = path.string() + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  std::error_code ec;
  fs::permissions(fresh, mode, ec);
  if (out && !ec) fs::rename(fresh, path, ec);
  if (!out || ec) {
    return fail(Code::unavailable, "cannot write " + path.string() + ": " +
                                       (ec ? ec.message() : "the disk may be full"));
  }
  return {};
}

// A new name in its place would make strangers of all its sandboxes, homes and rows: never by
// ourselves.
std::unexpected<Error> unreadable(const std::string& file, const std::string& why) {
  return fail(Code::unavailable,
              "cannot read " + file + ", the name of this installation (" + why +
                  "); put it back as it was: the label matrx.installation of its containers and "
                  "the column installation of its sandboxes say it. Remove the file only where "
                  "nothing of its sandboxes is to be kept");
}

}  // namespace

Result<std::unique_ptr<DataDir>> DataDir::open(const std::string& path, Random& random) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) {
    return fail(Code::unavailable,
                "cannot make the data folder " + path + ": " + ec.message() +
                    "; run as root, or set MATRX_DATA_DIR to a folder that you can write");
  }
  fs::permissions(path, kOwnerOnly, ec);
  const int lock = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return fail(Code::unavailable, "cannot write to the data folder " + path +
                                       "; run as root, or set MATRX_DATA_DIR to a folder that "
                                       "you can write");
  }
  std::unique_ptr<DataDir> dir(new DataDir(path, lock));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::conflict, "another orchestrator is using the data folder " + path +
                                    "; stop it, or set MATRX_DATA_DIR to another folder");
  }
  CHECK_OK(dir->learn_installation(random));
  return dir;
}

DataDir::~DataDir() { ::close(lock_); }

Result<void> DataDir::learn_installation(Random& random) {
  const std::string file = path_ / "installation";
  const auto known = read_file(file, kInstallationBytesMax);
  if (!known) return unreadable(file, known.error().internal);
  if (const std::optional<std::string>& name = *known) {
    installation_ = *name;
    while (installation_.ends_with('\n')) installation_.pop_back();
    return installation_.empty() ? unreadable(file, "it is empty") : Result<void>();
  }
  installation_ = "inst-" + random.hex(6);
  return replace_file(file, installation_ + "\n");
}

Result<fs::path> DataDir::install_agent(const fs::path& from) const {
  const std::string binary = read_program(from);
  if (binary.empty()) {
    return fail(Code::unavailable, "cannot read the guest agent " + from.string() +
                                       "; build it, or set MATRX_AGENT_PATH");
  }
  fs::path to = path_ / "matrx-agent";
  if (read_program(to) != binary) {
    CHECK_OK(replace_program(to, binary,
                             fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                 fs::perms::others_read | fs::perms::others_exec));
  }
  return to;
}

}  // namespace matrx
