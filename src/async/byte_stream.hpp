#pragma once
// Bytes that come piece by piece, and connections: without a word on what carries them.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "async/task.hpp"

namespace matrx {

// Read to its end, once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // The next piece; empty at the end. An error: it ends here, incomplete.
  virtual Task<Result<std::string>> read_some() = 0;
};

// A connected byte stream. One read and one write may be under way at once.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Bytes read, 0 at the end of the stream. unavailable: connection lost.
  virtual Task<Result<std::size_t>> read_some(std::span<char> into) = 0;

  // Returns when everything was handed to the kernel. Gathers `head` and `body` in one call.
  virtual Task<Result<void>> write(std::string_view head, std::string_view body = {}) = 0;

  // No more will be written: the other side sees the end, and may go on sending.
  virtual void end_writing() = 0;

  // Ends pending reads and writes with an error. May be called again.
  virtual void close() = 0;

  // For a connection out of a pool: false where the other side has closed it meanwhile, or has
  // sent something that nobody asked for.
  virtual bool is_idle_and_open() = 0;
};

}  // namespace matrx
