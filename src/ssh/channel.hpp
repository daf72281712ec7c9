#pragma once
// One channel of an SSH connection: bytes both ways, at the pace of who is slower.

#include <span>
#include <string_view>

#include "ssh/transport.hpp"

namespace matrx::ssh {

class Channel {
 public:
  Channel(Transport& transport, ssh_channel handle) : transport_(transport), handle_(handle) {}
  ~Channel();
  Channel(const Channel&) = delete;

  // Bytes read, 0 at the end of them. unavailable: the client has closed it.
  Task<Result<std::size_t>> read_some(std::span<char> into);

  enum class Stream { output, error };
  // Returns when all of it is the library's; no more than a piece is kept there.
  Task<Result<void>> write(std::string_view bytes, Stream stream = Stream::output);

  void end_writing();
  void send_exit_status(int status);
  void close();
  bool is_closed() const;

  Transport& transport() { return transport_; }
  ssh_channel handle() const { return handle_; }

 private:
  Transport& transport_;
  ssh_channel handle_;
};

}  // namespace matrx::ssh
