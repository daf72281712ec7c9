#pragma once
// Lines on their way to a descriptor whose reader may stand still: a pipe, the
// journal's socket. Never waits for it: what the reader does not take is held, and beyond a bound
// whole lines are lost, and counted.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace matrx {

class LineWriter {
 public:
  explicit LineWriter(int descriptor, std::size_t held_bytes_max)
      : descriptor_(descriptor), held_bytes_max_(held_bytes_max) {}

  // Takes a line with its newline, or loses it where too much is held already.
  void add(std::string_view line);

  // Writes what the reader takes at once.
  void write();

  // For the end: waits for the reader, but not longer than that.
  void write_within(std::chrono::milliseconds limit);

  std::size_t held_bytes() const { return held_.size() - written_; }

  // Lines lost since the last call; 0 as long as there is no room to tell of them.
  std::uint64_t take_lost();

 private:
  bool write_piece(std::string_view piece, std::size_t& count);

  int descriptor_;
  std::size_t held_bytes_max_;
  std::string held_;         // the first of its bytes may have been written
  std::size_t written_ = 0;  // of these
  std::uint64_t lost_ = 0;
};

}  // namespace matrx
