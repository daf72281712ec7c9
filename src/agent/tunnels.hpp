#pragma once
// Our own: a way to a port inside of the sandbox, also one that is bound to loopback.
//
//   GET /matrx/tunnel?port=N with "Connection: Upgrade" and "Upgrade: matrx-tunnel"
//     → 101, and from then on plain bytes both ways; each way ends by itself.
//     → 502 {"code": 502, "message", "port"}: nobody listens there. 400: no port. 426: no upgrade.
//       429: too many.

#include <list>
#include <memory>

#include "async/task.hpp"
#include "http/message.hpp"
#include "http/stream.hpp"

namespace matrx::agent {

class Tunnels {
 public:
  explicit Tunnels(Executor executor) : executor_(executor) {}

  Task<http::Response> handle(const http::Request& request);

  // Ends all of them.
  void stop();
  std::size_t size() const { return open_.size(); }

 private:
  struct Tunnel;

  Task<void> relay(http::Stream& client, std::shared_ptr<http::Stream> server);

  Executor executor_;
  std::size_t dialing_ = 0;
  std::list<Tunnel*> open_;
};

}  // namespace matrx::agent
