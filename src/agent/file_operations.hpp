#pragma once
// Folders and names: blocking, with the rights of the thread they run on (agent/user_work.hpp).
// Paths are absolute, as resolve_path() gives them.

#include <string>
#include <vector>

#include "agent/file_entry.hpp"

namespace matrx::agent {

// The folder with those above it. exists: it is there already. wrong_type: a file is in the way.
FileResult<void> make_folder(const std::string& path);

// Those above the path, where they are missing.
FileResult<void> make_parents(const std::string& path);

// Replaces a file that is there. To another file system it is a copy and a removal: owners and what
// only root could set do not come along.
FileResult<void> move_file(const std::string& from, const std::string& to);

// Of move_file: where the other end is on another file system.
FileResult<void> move_across(const std::string& from, const std::string& to);

// Entries of a folder, sorted, and of the folders in it down to `depth`; not through links. As the
// text of a JSON array: as values they would need five times as much memory. exhausted: more than
// kListEntriesMax.
FileResult<std::string> list_folder(const std::string& path, int depth, OwnerNames& names);

// Whatever is there, a folder with all that is in it; links are removed, not followed. What is
// missing is removed already. However deep it is, a few descriptors are enough.
FileResult<void> remove_all(const std::string& path);

// Names in an open folder, unsorted, without "." and "..". Takes the descriptor.
FileResult<std::vector<std::string>> names_in(int folder, const std::string& path,
                                              std::size_t count_max);

}  // namespace matrx::agent
