#include "adapters/rclone/unsent_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/descriptor.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "wire/json.hpp"

namespace matrx::rclone {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNotesMax = 100'000;  // what comes after them waits for the next listing
constexpr std::int64_t kMsPerSecond = 1000;
constexpr std::size_t kBootBytesMax = 256;
constexpr std::size_t kNoteBytesMax = 256 * 1024;
constexpr auto kTouchTime = std::chrono::milliseconds(500);

// The last byte of the note's first range, and one; -1: the first byte is not here.
std::int64_t end_of_first_range(const json::object& note) {
  const json::array* ranges = json::array_at(note, "Rs");
  if (ranges == nullptr || ranges->empty()) return -1;
  const json::object* first = ranges->front().if_object();
  if (first == nullptr || json::integer_at(*first, "Pos", -1) != 0) return -1;
  return json::integer_at(*first, "Size");
}

// note: nothing, where the text is none.
void each_note(const fs::path& notes,
               const std::function<void(const fs::path& path, json::object* note)>& see) {
  std::error_code ec;
  std::size_t seen = 0;
  for (fs::recursive_directory_iterator at(notes, ec), end; !ec && at != end; at.increment(ec)) {
    if (!at->is_regular_file(ec) || ec) continue;
    if (++seen > kNotesMax) return;
    const auto text = read_file(at->path().string(), kNoteBytesMax);
    if (!text) continue;
    auto note = json::parse(text->value_or(""));
    json::object* known = note ? note->if_object() : nullptr;
    see(at->path().lexically_relative(notes), known);
  }
}

bool is_file(const fs::path& path, struct stat& info) {
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

void write_note(const fs::path& file, json::object note, std::int64_t size) {
  const json::object all = {{"Pos", 0}, {"Size", size}};
  note["Size"] = size;
  note["Rs"] = json::array{all};
  const auto written = replace_file(file.string(), json::serialize(note));
  if (written) return;
  log::warning("what rclone has not sent cannot be put right",
               {{"path", file.string()}, {"internal", written.error().internal}});
}

json::object unsent_note(const fs::path& data_file) {
  struct stat info{};
  const bool is_there = is_file(data_file, info);
  const std::string at =
      to_rfc3339(from_unix_ms((is_there ? info.st_mtim.tv_sec : 0) * kMsPerSecond));
  return {{"ModTime", at}, {"ATime", at},       {"Size", 0},
          {"Rs", nullptr}, {"Fingerprint", ""}, {"Dirty", true}};
}

void mend(const fs::path& note_file, const fs::path& data_file, const json::object& note) {
  struct stat info{};
  if (!json::flag_at(note, "Dirty") || !is_file(data_file, info)) return;
  const std::int64_t noted = json::integer_at(note, "Size");
  const bool was_whole = noted == 0 || end_of_first_range(note) >= noted;
  const bool is_known = noted == info.st_size && end_of_first_range(note) >= noted;
  if (was_whole && !is_known && info.st_size > 0) write_note(note_file, note, info.st_size);
}

// How far the ranges go that the note knows of.
std::int64_t end_of_ranges(const json::object& note) {
  std::int64_t end = 0;
  const json::array* ranges = json::array_at(note, "Rs");
  for (std::size_t n = 0; ranges != nullptr && n < ranges->size(); ++n) {
    const json::object* range = (*ranges)[n].if_object();
    if (range == nullptr) continue;
    end = std::max(end, json::integer_at(*range, "Pos") + json::integer_at(*range, "Size"));
  }
  return end;
}

// note: nothing, where the crash took that as well.
bool is_doubtful(const json::object* note, const std::string& data_file, const struct stat& info) {
  if (note != nullptr && !json::flag_at(*note, "Dirty")) return false;
  if (note == nullptr) return true;
  const std::int64_t noted = json::integer_at(*note, "Size");
  const bool was_whole = end_of_first_range(*note) >= noted;
  if (info.st_size < end_of_ranges(*note)) return true;
  if (!was_whole || info.st_size < noted) return was_whole;
  const Descriptor file(::open(data_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return file && has_holes(file.get(), info.st_size);
}

std::string boot_file(const std::string& cache, const std::string& prefix) {
  return (fs::path(cache) / "boots" / prefix).string() + ".boot";
}

constexpr const char* kAside = ".conflict-restart";

void set_aside(const fs::path& note_file, const fs::path& data_file, const json::object* note,
               std::int64_t size) {
  std::error_code ec;
  if (size == 0) {
    fs::remove(data_file, ec);
    fs::remove(note_file, ec);
    return;
  }
  std::string suffix = kAside;
  for (int n = 2; fs::exists(data_file.string() + suffix, ec); ++n) {
    suffix = kAside + ("-" + std::to_string(n));
  }
  // The note first: what has none is told by mend_notes.
  write_note(note_file.string() + suffix, note != nullptr ? *note : unsent_note(data_file), size);
  fs::rename(data_file, data_file.string() + suffix, ec);
  if (!ec) fs::remove(note_file, ec);
}

}  // namespace

std::vector<std::string> set_doubtful_aside(const std::string& cache, const std::string& prefix,
                                            const std::string& boot) {
  std::vector<std::string> doubtful;
  const std::string done = boot_file(cache, prefix);
  const auto known = read_file(done, kBootBytesMax);
  const std::string last = known ? known->value_or("") : "";
  std::error_code ec;
  const fs::path all_notes = fs::path(cache) / "vfsMeta";
  // What an older version left says nothing of its boot.
  const bool is_another = !last.empty() && last != boot;
  for (fs::directory_iterator at(all_notes, ec), end; is_another && !ec && at != end;
       at.increment(ec)) {
    const fs::path notes = at->path() / prefix;
    const fs::path data = fs::path(cache) / "vfs" / at->path().filename() / prefix;
    std::vector<std::pair<fs::path, std::optional<json::object>>> found;
    each_note(notes, [&](const fs::path& path, const json::object* note) {
      struct stat info{};
      if (path.filename().string().contains(kAside)) return;  // nothing of the store is at stake
      if (!is_file(data / path, info) || !is_doubtful(note, (data / path).string(), info)) return;
      found.emplace_back(path, note != nullptr ? std::optional(*note) : std::nullopt);
    });
    for (const auto& [path, note] : found) {
      struct stat info{};
      if (!is_file(data / path, info)) continue;
      set_aside(notes / path, data / path, note ? &*note : nullptr, info.st_size);
      doubtful.push_back(path.string());
    }
  }
  if (last == boot) return doubtful;
  const auto written = replace_file(done, boot);
  if (!written) {
    log::warning("it cannot be noted that the cache of large files was looked through",
                 {{"internal", written.error().internal}});
  }
  return doubtful;
}

void forget_boot(const std::string& cache, const std::string& prefix) {
  std::error_code ignored;
  fs::remove(boot_file(cache, prefix), ignored);
}

std::vector<Unnoted> mend_notes(const std::string& cache, const std::string& prefix) {
  std::vector<Unnoted> unnoted;
  const fs::path all_notes = fs::path(cache) / "vfsMeta";
  std::error_code ec;
  // One folder for each way in which rclone names the remote.
  for (fs::directory_iterator at(all_notes, ec), end; !ec && at != end; at.increment(ec)) {
    const fs::path notes = at->path() / prefix;
    const fs::path data = fs::path(cache) / "vfs" / at->path().filename() / prefix;
    each_note(notes, [&](const fs::path& path, const json::object* note) {
      if (note != nullptr) {
        mend(notes / path, data / path, *note);
      } else {
        unnoted.push_back({.path = path.string(),
                           .note_file = (notes / path).string(),
                           .data_file = (data / path).string()});
      }
    });
  }
  return unnoted;
}

void note_as_unsent(const Unnoted& file) {
  struct stat info{};
  if (!is_file(file.data_file, info)) return;
  write_note(file.note_file, unsent_note(file.data_file), info.st_size);
}

std::vector<std::string> unsent_files(const std::string& notes) {
  std::vector<std::string> paths;
  each_note(notes, [&](const fs::path& path, const json::object* note) {
    const bool is_unsent = note != nullptr && json::flag_at(*note, "Dirty");
    if (is_unsent && end_of_first_range(*note) > 0) paths.push_back(path.string());
  });
  return paths;
}

void touch_files(const std::string& point, const std::vector<std::string>& paths) {
  const auto until = std::chrono::steady_clock::now() + kTouchTime;
  for (const auto& path : paths) {
    const auto opened = open_regular_file(point, path);
    const bool is_removed = !opened && opened.error().code == Code::not_found;
    // A store that does not work makes each of them slow: somebody waits for this mount.
    if ((!opened && !is_removed) || std::chrono::steady_clock::now() > until) return;
    if (is_removed) continue;
    const Descriptor file{*opened};
    char first = 0;
    [[maybe_unused]] const ssize_t count = ::pread(file.get(), &first, 1, 0);
  }
}

}  // namespace matrx::rclone
