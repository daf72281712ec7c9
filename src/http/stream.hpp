#pragma once
// A connected byte stream: TCP, TLS or Unix socket behind one type, so that the code above it is
// compiled once.

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "async/task.hpp"

namespace matrx::http {

class Stream {
 public:
  virtual ~Stream() = default;

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

// Opens a connection; called again for each one that a client's pool needs.
using Connector = std::function<Task<Result<std::unique_ptr<Stream>>>()>;

// path of a Unix socket (at most 107 bytes).
Connector unix_connector(std::string path);
Connector tcp_connector(std::string host, std::string port);

struct TlsFiles {
  std::string ca, certificate, key;  // PEM paths; certificate and key may be empty
};
// In http/tls.cpp, a library of its own: the guest agent links no OpenSSL.
Result<Connector> tls_connector(std::string host, std::string port, const TlsFiles& files);

// Wraps a connected stream socket; takes ownership of the descriptor.
std::unique_ptr<Stream> adopt_socket(Executor executor, int descriptor);

}  // namespace matrx::http
