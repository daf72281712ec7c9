#pragma once
// Reading what a command writes, into bounded memory.

#include <boost/asio/posix/stream_descriptor.hpp>
#include <string>

#include "async/task.hpp"
#include "base/descriptor.hpp"

namespace matrx::agent {

// A pipe: what one end gets, the other gives. Both closed on exec.
struct Pipe {
  Descriptor reading, writing;
  static Result<Pipe> make();
};

// Keeps the first bytes_max bytes of a pipe, reads and drops the rest.
class Capture {
 public:
  Capture(Executor executor, Descriptor reading, std::size_t bytes_max);

  // Reads until every writer has closed its end.
  Task<void> read_to_end();

  // Takes what is there right now, without waiting for writers that live on.
  void drain();

  // Goes on reading and dropping, so that a background process neither blocks nor dies of it.
  static Task<void> discard(asio::posix::stream_descriptor reading);
  bool ended() const { return ended_; }
  asio::posix::stream_descriptor release() { return std::move(reading_); }

  bool truncated() const { return truncated_; }
  // Valid UTF-8; cut at a character.
  std::string take_text();

 private:
  void keep(const char* bytes, std::size_t count);

  asio::posix::stream_descriptor reading_;
  std::size_t bytes_max_;
  std::string kept_;
  bool truncated_ = false;
  bool ended_ = false;
};

}  // namespace matrx::agent
