#pragma once
// The last output of a process, in bounded memory. Every byte it ever wrote has an offset, counted
// over all its streams in the order of arrival, so that a reader can come back and go on exactly
// where it was, or learn how much has been overwritten.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace matrx::agent {

enum class OutputKind : std::uint8_t { standard_output, standard_error, terminal };

// What all rings together may hold. Outlives them.
class RingBudget {
 public:
  explicit RingBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  std::size_t used() const { return used_; }
  std::size_t left() const { return used_ < bytes_max_ ? bytes_max_ - used_ : 0; }

 private:
  friend class OutputRing;
  std::size_t bytes_max_;
  std::size_t used_ = 0;
};

class OutputRing {
 public:
  struct Piece {
    OutputKind kind = OutputKind::standard_output;
    std::uint64_t offset = 0;
    std::string bytes;
  };

  // Holds up to bytes_max, less where the budget is used up, but never less than bytes_min.
  OutputRing(RingBudget& budget, std::size_t bytes_min, std::size_t bytes_max)
      : budget_(budget), bytes_min_(bytes_min), bytes_max_(bytes_max) {}
  OutputRing(const OutputRing&) = delete;
  OutputRing& operator=(const OutputRing&) = delete;
  ~OutputRing();

  // Overwrites the oldest bytes where there is no room.
  void append(OutputKind kind, std::string_view bytes);

  std::uint64_t begin() const { return begin_; }  // of the first byte that is still there
  std::uint64_t end() const { return end_; }      // where the next byte will go
  std::size_t cost() const { return cost_of(begin_); }

  // Bytes of one stream from `offset` on, at most bytes_max of them; nothing where none are kept
  // there.
  std::optional<Piece> read(std::uint64_t offset, std::size_t bytes_max) const;

  // Whether `count` more bytes would leave everything from `offset` on in place.
  bool would_keep(std::uint64_t offset, std::size_t count) const;

 private:
  struct Segment {
    std::uint64_t offset = 0;
    OutputKind kind = OutputKind::standard_output;
  };

  // Straight from the kernel: what is given back is gone from our memory at once.
  struct Unmap {
    void operator()(char* block) const;
  };
  using Block = std::unique_ptr<char[], Unmap>;
  static Block make_block();

  std::size_t limit() const;
  std::size_t cost_of(std::uint64_t offset) const;
  std::size_t segment_at(std::uint64_t offset) const;
  void store(std::string_view bytes);
  void drop_until(std::uint64_t offset);
  void account();

  RingBudget& budget_;
  std::size_t bytes_min_, bytes_max_;
  std::uint64_t begin_ = 0, end_ = 0;
  std::deque<Segment> segments_;  // where a stream begins to speak; the first covers begin_
  std::deque<Block> blocks_;
  std::uint64_t blocks_begin_ = 0;  // offset of the first block's first byte
  std::size_t accounted_ = 0;
};

}  // namespace matrx::agent
