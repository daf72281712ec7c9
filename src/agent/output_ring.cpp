#include "agent/output_ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "agent/limits.hpp"

namespace matrx::agent {
namespace {

// What a change of streams costs besides its bytes: a program that writes single bytes in turn to
// both must not make us keep more than we say.
constexpr std::size_t kSegmentCost = 16;

}  // namespace

OutputRing::~OutputRing() { budget_.used_ -= accounted_; }

void OutputRing::Unmap::operator()(char* block) const { ::munmap(block, kRingBlockBytes); }

OutputRing::Block OutputRing::make_block() {
  void* memory =
      ::mmap(nullptr, kRingBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // A supervisor is a fork of us that lives as long as its command, and would keep a copy of all
  // output as it was then.
  ::madvise(memory, kRingBlockBytes, MADV_DONTFORK);
  return Block(static_cast<char*>(memory));
}

std::size_t OutputRing::limit() const {
  return std::max(bytes_min_, std::min(bytes_max_, accounted_ + budget_.left()));
}

// Index of the segment that covers the offset, which lies between begin_ and end_.
std::size_t OutputRing::segment_at(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(segments_, offset, {}, &Segment::offset);
  return static_cast<std::size_t>(after - segments_.begin()) - 1;
}

std::size_t OutputRing::cost_of(std::uint64_t offset) const {
  if (offset >= end_) return 0;
  return static_cast<std::size_t>(end_ - offset) +
         (segments_.size() - segment_at(offset)) * kSegmentCost;
}

bool OutputRing::would_keep(std::uint64_t offset, std::size_t count) const {
  return offset >= begin_ && cost_of(offset) + count + kSegmentCost <= limit();
}

void OutputRing::append(OutputKind kind, std::string_view bytes) {
  // Of more than fits only the end could stay.
  const std::size_t most = limit() - kSegmentCost;
  if (bytes.size() > most) {
    const std::size_t skipped = bytes.size() - most;
    drop_until(end_);
    end_ += skipped;
    begin_ = end_;
    blocks_begin_ = end_;
    bytes.remove_prefix(skipped);
  }
  if (bytes.empty()) return;
  if (segments_.empty() || segments_.back().kind != kind) segments_.push_back({end_, kind});
  store(bytes);
  const std::size_t room = limit();
  while (cost_of(begin_) > room) {
    const std::size_t excess = cost_of(begin_) - room;
    const std::uint64_t next = segments_.size() > 1 ? segments_[1].offset : end_;
    drop_until(std::min(next, begin_ + excess));
  }
  account();
}

void OutputRing::store(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto at = static_cast<std::size_t>(end_ - blocks_begin_);
    if (at == blocks_.size() * kRingBlockBytes) {
      blocks_.push_back(make_block());
    }
    const std::size_t inside = at % kRingBlockBytes;
    const std::size_t count = std::min(bytes.size(), kRingBlockBytes - inside);
    std::memcpy(blocks_.back().get() + inside, bytes.data(), count);
    end_ += count;
    bytes.remove_prefix(count);
  }
}

void OutputRing::drop_until(std::uint64_t offset) {
  begin_ = offset;
  while (segments_.size() > 1 && segments_[1].offset <= begin_) segments_.pop_front();
  if (begin_ == end_) segments_.clear();
  if (!segments_.empty()) segments_.front().offset = begin_;
  while (!blocks_.empty() && blocks_begin_ + kRingBlockBytes <= begin_) {
    blocks_.pop_front();
    blocks_begin_ += kRingBlockBytes;
  }
  if (begin_ == end_) {
    blocks_.clear();
    blocks_begin_ = end_;
  }
}

void OutputRing::account() {
  const std::size_t now = cost();
  budget_.used_ += now - accounted_;
  accounted_ = now;
}

std::optional<OutputRing::Piece> OutputRing::read(std::uint64_t offset,
                                                  std::size_t bytes_max) const {
  if (offset < begin_ || offset >= end_) return std::nullopt;
  const std::size_t segment = segment_at(offset);
  const std::uint64_t segment_end =
      segment + 1 < segments_.size() ? segments_[segment + 1].offset : end_;
  auto count = static_cast<std::size_t>(std::min<std::uint64_t>(segment_end - offset, bytes_max));
  Piece piece{.kind = segments_[segment].kind, .offset = offset, .bytes = {}};
  piece.bytes.reserve(count);
  auto at = static_cast<std::size_t>(offset - blocks_begin_);
  while (count > 0) {
    const std::size_t inside = at % kRingBlockBytes;
    const std::size_t part = std::min(count, kRingBlockBytes - inside);
    piece.bytes.append(blocks_[at / kRingBlockBytes].get() + inside, part);
    at += part;
    count -= part;
  }
  return piece;
}

}  // namespace matrx::agent
