#pragma once
// An HTTP/1.1 server: keep-alive, pipelining, chunked bodies both ways, limits and deadlines.

#include <chrono>
#include <memory>
#include <string>

#include "base/limits.hpp"
#include "http/message.hpp"

namespace matrx::http {

// Called for each request as soon as its header is there. The request lives until the answer has
// been sent. An exception is logged and answered with 500.
using Handler = std::function<Task<Response>(Request& request)>;

// Of TCP. Where there are more, strangers go, the oldest first: connections of which no handler has
// said yet that they may be here. Where none is left to go, some more are taken in for one request
// each (Request::is_spare), so that somebody who asks whether we are alive hears it.
struct ServerLimits {
  std::size_t connections = kServerConnectionsMax;
  std::size_t spares = kServerSparesMax;
  std::size_t strangers_of_source = kServerStrangersOfSourceMax;
  std::chrono::milliseconds stranger_grace = kServerStrangerGrace;
};

class Server {
 public:
  Server(Executor executor, Handler handler, ServerLimits limits = {});
  ~Server();

  // unavailable: cannot bind; the message names the address and the reason.
  Result<void> listen_tcp(const std::string& host, std::uint16_t port);  // port 0: any free one
  Result<void> listen_unix(const std::string& path, unsigned mode);      // replaces a stale socket
  std::uint16_t port() const;                                            // of the TCP listener

  // Serves until stop(). The caller owns this task.
  Task<void> run();

  // Accepts no more, closes idle connections; run() returns when requests under way are
  // answered. After `drain` connections are closed; handlers that go on all the same are waited
  // for, or cancelled as well: whatever they await must bear that.
  enum class AfterDrain { wait, cancel };
  void stop(AfterDrain then = AfterDrain::wait, std::chrono::milliseconds drain = kDrainTimeout);

  std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matrx::http
