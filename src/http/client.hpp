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
  std::string other_method;  // where it is Method::other
  std::string target;
  Headers headers;
  std::string body;
  // Where set, sent instead of the body, in pieces as they come; lives until the answer is there.
  // Its failure ends the exchange with its error. Only for open().
  ByteSource* body_source = nullptr;
  std::optional<std::uint64_t> body_source_bytes;    // where known; chunked otherwise
  milliseconds deadline = std::chrono::seconds(30);  // of the whole exchange
  std::size_t answer_bytes_max = 0;                  // of send(); 0: as the client's options say
  bool idempotent = false;  // may be sent again where a kept connection broke under it
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// An answer that is read piece by piece, on a connection of its own. unavailable: the connection
// broke before the end.
class ResponseStream : public ByteSource {
 public:
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // Bytes that the header announces, where it does.
  virtual std::optional<std::uint64_t> announced_bytes() const = 0;
  // After a 101: the connection, with what has come behind the header. Once; nothing else may be
  // called afterwards.
  virtual std::unique_ptr<Stream> take_connection() = 0;
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

  // Sends and returns when the header of the answer is there; the deadline ends with that. It
  // counts for each piece of the body, if that is a source, and once more when all was sent. An
  // answer that comes before all of the body has been sent, and refuses it, ends the sending.
  Task<Result<std::unique_ptr<ResponseStream>>> open(ClientRequest request);

  // Closes idle connections; those in use close when their exchange ends.
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace matrx::http
