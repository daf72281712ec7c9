#pragma once
// tar archives in pieces of any size, with constant memory: ustar with pax headers for what does
// not fit (POSIX.1-2001). Read are also GNU's long names and numbers.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace matrx {

struct TarBlock;

struct TarEntry {
  enum class Kind { file, folder, symlink, hard_link, other };
  Kind kind = Kind::file;
  std::string path;           // as it stands there: hostile
  std::string link_target;    // of links; the same
  std::uint64_t size = 0;     // of a file; of others nothing follows
  unsigned mode = 0;          // permission bits
  std::int64_t modified = 0;  // unix seconds
  unsigned uid = 0, gid = 0;
  bool operator==(const TarEntry&) const = default;
};

// What stands before the bytes of an entry. Behind them stands tar_padding().
std::string tar_header(const TarEntry& entry);
std::string tar_padding(std::uint64_t size);
std::string tar_end();

struct TarEvent {
  enum class Kind { entry, data, end };
  Kind kind = Kind::end;
  TarEntry entry;
  std::string_view bytes;  // of data; valid until the next call
};

class TarReader {
 public:
  void append(std::string_view bytes);

  // The next event, if there is one yet. An entry's data is complete when `size` bytes have come.
  // invalid: no archive, or a broken one. After `end` nothing follows.
  Result<std::optional<TarEvent>> next();

  // Whether the archive may end here: between two entries. (Some writers leave out its end.)
  bool at_rest() const;

 private:
  struct Extras {
    std::optional<std::string> path, link_target;
    std::optional<std::uint64_t> size;
    std::optional<std::int64_t> modified;
  };

  Result<std::optional<TarEvent>> take_header();
  TarEvent begin_entry(const TarBlock& block, std::uint64_t announced);
  Result<void> take_extras(char type, std::string_view text);
  std::optional<TarEvent> take_data();

  std::string buffer_;
  std::size_t used_ = 0;
  std::uint64_t data_left_ = 0;  // of the entry, to be told
  std::uint64_t skip_left_ = 0;  // behind it: padding, or what nobody wants
  Extras extras_;                // for the next entry
  bool has_extras_ = false;
  bool done_ = false;
};

}  // namespace matrx
