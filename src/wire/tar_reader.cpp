#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "wire/tar.hpp"
#include "wire/tar_format.hpp"

namespace matrx {
namespace {

using Kind = TarEntry::Kind;

constexpr std::size_t kExtrasBytesMax = 64 * 1024;  // a pax header, a long name
constexpr std::uint64_t kSizeMax = 1ULL << 62;      // sums of sizes stay in range
constexpr std::int64_t kTimeMax = 1LL << 55;

std::unexpected<Error> broken_tar(std::string_view what) {
  return fail(Code::invalid, "The tar archive is broken: " + std::string(what) + ".");
}

template <std::size_t N>
std::string_view text_in(const char (&field)[N]) {
  return std::string_view(field, ::strnlen(field, N));
}

// Octal digits, or GNU's binary form, whose first bit is set.
template <std::size_t N>
std::optional<std::uint64_t> number_in(const char (&field)[N]) {
  const auto first = static_cast<unsigned char>(field[0]);
  std::uint64_t number = 0;
  if (first & 0x80) {
    if (first != 0x80) return std::nullopt;  // negative, or far too large
    for (std::size_t i = 1; i < N; ++i) {
      if (number >> 56) return std::nullopt;
      number = number << 8 | static_cast<unsigned char>(field[i]);
    }
    return number;
  }
  std::size_t i = 0;
  while (i < N && field[i] == ' ') ++i;
  for (; i < N && field[i] >= '0' && field[i] <= '7'; ++i) {
    number = number << 3 | static_cast<std::uint64_t>(field[i] - '0');
  }
  for (; i < N; ++i) {
    if (field[i] != ' ' && field[i] != '\0') return std::nullopt;
  }
  return number;
}

template <class N>
std::optional<N> decimal(std::string_view text) {
  N number{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  // A fraction of a second is cut off.
  const bool whole = end == text.data() + text.size() || *end == '.';
  if (text.empty() || ec != std::errc() || !whole) return std::nullopt;
  return number;
}

bool is_zero(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

Kind kind_of(char type, std::string_view path) {
  switch (type) {
    case '0':
    case '\0':
    case '7':
      return path.ends_with('/') ? Kind::folder : Kind::file;  // as before ustar
    case '1':
      return Kind::hard_link;
    case '2':
      return Kind::symlink;
    case '5':
      return Kind::folder;
    default:
      return Kind::other;
  }
}

}  // namespace

void TarReader::append(std::string_view bytes) {
  buffer_.erase(0, std::exchange(used_, 0));
  buffer_ += bytes;
}

bool TarReader::at_rest() const {
  return done_ || (data_left_ == 0 && skip_left_ == 0 && !has_extras_ && used_ == buffer_.size());
}

Result<std::optional<TarEvent>> TarReader::next() {
  if (done_) {
    used_ = buffer_.size();
    return std::nullopt;
  }
  if (data_left_ > 0) return take_data();
  const auto skipped =
      static_cast<std::size_t>(std::min<std::uint64_t>(skip_left_, buffer_.size() - used_));
  used_ += skipped;
  skip_left_ -= skipped;
  if (skip_left_ > 0) return std::nullopt;
  return take_header();
}

std::optional<TarEvent> TarReader::take_data() {
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(data_left_, buffer_.size() - used_));
  if (count == 0) return std::nullopt;
  TarEvent event{.kind = TarEvent::Kind::data,
                 .entry = {},
                 .bytes = std::string_view(buffer_).substr(used_, count)};
  used_ += count;
  data_left_ -= count;
  return event;
}

// The next header that is one of an entry; those that only add to it are taken on the way.
Result<std::optional<TarEvent>> TarReader::take_header() {
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    if (rest.size() < kTarBlockBytes) return std::nullopt;
    const std::string_view bytes = rest.substr(0, kTarBlockBytes);
    if (is_zero(bytes)) {
      if (has_extras_) return broken_tar("it ends in the middle of an entry");
      done_ = true;
      return TarEvent{};
    }
    TarBlock block;
    std::memcpy(&block, bytes.data(), sizeof block);
    if (number_in(block.checksum) != tar_checksum(bytes)) return broken_tar("a checksum is wrong");
    const auto announced = number_in(block.size);
    if (!announced || *announced > kSizeMax) return broken_tar("a size is none");

    if (block.type == 'x' || block.type == 'g' || block.type == 'L' || block.type == 'K') {
      if (*announced > kExtrasBytesMax) return broken_tar("a header is too long");
      const auto size = static_cast<std::size_t>(*announced);
      const std::size_t padded = (size + kTarBlockBytes - 1) / kTarBlockBytes * kTarBlockBytes;
      if (rest.size() < kTarBlockBytes + padded) return std::nullopt;
      CHECK_OK(take_extras(block.type, rest.substr(kTarBlockBytes, size)));
      used_ += kTarBlockBytes + padded;
      continue;
    }

    used_ += kTarBlockBytes;
    return begin_entry(block, *announced);
  }
}

TarEvent TarReader::begin_entry(const TarBlock& block, std::uint64_t announced) {
  TarEvent event{.kind = TarEvent::Kind::entry, .entry = {}, .bytes = {}};
  TarEntry& entry = event.entry;
  const Extras extras = std::exchange(extras_, {});
  has_extras_ = false;
  entry.path = text_in(block.name);
  const bool posix = std::string_view(block.magic, 6) == std::string_view("ustar\0", 6);
  if (posix && block.prefix[0] != '\0') {
    entry.path = std::string(text_in(block.prefix)) + "/" + entry.path;
  }
  if (extras.path) entry.path = *extras.path;
  entry.link_target = extras.link_target.value_or(std::string(text_in(block.link)));
  entry.kind = kind_of(block.type, entry.path);
  entry.mode = static_cast<unsigned>(number_in(block.mode).value_or(0) & 07777);
  entry.uid = static_cast<unsigned>(number_in(block.uid).value_or(0));
  entry.gid = static_cast<unsigned>(number_in(block.gid).value_or(0));
  const std::uint64_t modified = number_in(block.modified).value_or(0);
  entry.modified = static_cast<std::int64_t>(std::min<std::uint64_t>(modified, kTimeMax));
  if (extras.modified) entry.modified = *extras.modified;
  const std::uint64_t size = extras.size.value_or(announced);
  const std::uint64_t padded = (size + kTarBlockBytes - 1) / kTarBlockBytes * kTarBlockBytes;
  // Links and folders may announce a size; nothing follows them.
  const bool has_data = entry.kind == Kind::file || entry.kind == Kind::other;
  entry.size = entry.kind == Kind::file ? size : 0;
  data_left_ = entry.size;
  skip_left_ = has_data ? padded - entry.size : 0;
  return event;
}

Result<void> TarReader::take_extras(char type, std::string_view text) {
  if (type == 'g') return {};  // of the whole archive: nothing that we need
  has_extras_ = true;
  if (type == 'L' || type == 'K') {
    std::string name(text.substr(0, text.find('\0')));
    (type == 'L' ? extras_.path : extras_.link_target) = std::move(name);
    return {};
  }
  while (!text.empty()) {
    const auto blank = text.find(' ');
    const auto length = decimal<std::size_t>(text.substr(0, blank));
    if (blank == std::string_view::npos || !length || *length <= blank + 1 ||
        *length > text.size() || text[*length - 1] != '\n') {
      return broken_tar("a pax record is none");
    }
    const auto record = text.substr(blank + 1, *length - blank - 2);
    text.remove_prefix(*length);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos) return broken_tar("a pax record has no value");
    const auto name = record.substr(0, equals), value = record.substr(equals + 1);
    if (name == "path") extras_.path = value;
    if (name == "linkpath") extras_.link_target = value;
    if (name == "size") {
      extras_.size = decimal<std::uint64_t>(value);
      if (!extras_.size || *extras_.size > kSizeMax) return broken_tar("a size is none");
    }
    if (name == "mtime") {
      extras_.modified = decimal<std::int64_t>(value);
      if (!extras_.modified || *extras_.modified > kTimeMax || *extras_.modified < -kTimeMax) {
        return broken_tar("a time is none");
      }
    }
  }
  return {};
}

}  // namespace matrx
