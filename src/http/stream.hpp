#pragma once
// A connected byte stream: TCP, TLS or Unix socket behind one type, so that the code above it is
// compiled once.

#include <functional>
#include <memory>
#include <string>

#include "async/byte_stream.hpp"

namespace matrx::http {

using Stream = ByteStream;

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
