#pragma once
// What rclone's cache of large files has not sent yet, found after rclone was killed. rclone 1.60
// goes on with it, but for four things:
//
// - It writes its notes in place. Killed meanwhile, it finds one that says nothing, and removes the
//   file that it belongs to.
// - It notes what it has of a file when that is opened and when it is closed. Killed in between, it
//   finds more bytes than its note knows of, and takes them for bytes that it has to fetch.
// - What it finds unsent is sent, but its entry in the folder never learns of the object: once
//   sent, it reads as empty for as long as the listing is kept. Who opens it through the mount
//   before that gives it back what is missing.
//
// - After a power loss its files may have lost bytes that its notes, and the files' own lengths,
//   speak of. Sent as they are they would replace what the store has by less.
//
// All of this blocks.

#include <string>
#include <vector>

namespace matrx::rclone {

// cache: rclone's folder, in which nobody works now. prefix: "bucket/users/u/cold". Where all of an
// unsent file was here when it was noted, all that was written to it since is here as well.
// Answers the files whose notes say nothing.
struct Unnoted {
  std::string path;  // below the prefix
  std::string note_file, data_file;
};
std::vector<Unnoted> mend_notes(const std::string& cache, const std::string& prefix);

// Once in each boot of the host, before mend_notes: unsent files of another boot that are shorter
// than noted, or have holes where all was here, are given another name, path.conflict-restart, and
// the store keeps what it has under theirs. Of an empty one nothing is kept. Answers their paths.
// boot: of base/boot.hpp; noted in the cache when it is done.
std::vector<std::string> set_doubtful_aside(const std::string& cache, const std::string& prefix,
                                            const std::string& boot);

// Forgets which boot the cache was of: it is removed.
void forget_boot(const std::string& cache, const std::string& prefix);

// Notes that the file is unsent, and all of it is here.
void note_as_unsent(const Unnoted& file);

// notes: the folder of what rclone knows of its cache, a JSON file for each. Answers the paths of
// those that are unsent and whose first byte is in the cache.
std::vector<std::string> unsent_files(const std::string& notes);

// Opens each of them below the mount point, reads a byte and closes it.
void touch_files(const std::string& point, const std::vector<std::string>& paths);

}  // namespace matrx::rclone
