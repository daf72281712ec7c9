#pragma once
// An HTTP/1.1 client with a pool of keep-alive connections to one place.

#include <memory>
#include <string>

#include "async/clock.hpp"
#include "http/message.hpp"
#include "http/stream.hpp"

namespace matrx::http {

struct ClientOptions {
  std::string name;                 // in error texts: "Docker", "the guest agent"
  std::string host = "localhost";   // the Host header
  std::size_t connections_max = 8;  // at once, streams not counted; more wait for a free one
  std::size_t idle_max = 8;         // kept open
  std::size_t answer_bytes_max = 1024 * 1024;
};

struct ClientRequest {
  Method method = Method::get;
  std::string target;
  Headers headers;
  std::string body;
  milliseconds deadline = std::chrono::seconds(30);  // of the whole exchange
  bool idempotent = false;  // may be sent again where a kept connection broke under it
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// An answer that is read piece by piece, on a connection of its own.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next piece; empty at the end. unavailable: the connection broke before the end.
  virtual Task<Result<std::string>> read_some() = 0;
  // Ends a pending read_some with an error.
  virtual void close() = 0;
};

class Client {
 public:
  Client(Connector connector, ClientOptions options);
  ~Client();

  // unavailable: cannot connect, or the connection broke. timeout: deadline. too_large: answer.
  // A request that is not idempotent is never sent twice: a kept connection that the other side
  // has closed is noticed before it is used, or the answer is unavailable.
  Task<Result<ClientResponse>> send(ClientRequest request);

  // Sends and returns when the header of the answer is there; the deadline ends with that.
  Task<Result<std::unique_ptr<ResponseStream>>> open(ClientRequest request);

  // Closes idle connections; those in use close when their exchange ends.
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace matrx::http
