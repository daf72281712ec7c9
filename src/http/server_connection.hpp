#pragma once
// One connection of a server, from accept to close.

#include <chrono>
#include <memory>
#include <string>

#include "http/server.hpp"
#include "http/stream.hpp"

namespace matrx::http {

// Who is at the other end.
struct Peer {
  std::string address;    // empty on a Unix socket
  std::string source;     // whose share it counts against
  bool is_known = false;  // he may be here: a handler has said so, or the mode of a Unix socket
  bool is_spare = false;  // beyond the number of connections: for one request that costs nothing
};

class ServerConnection {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  ServerConnection(std::unique_ptr<Stream> stream, Peer peer, Handler& handler)
      : stream_(std::move(stream)), peer_(std::move(peer)), handler_(handler) {}

  // Answers requests until either side closes. Never throws but for cancellation.
  Task<void> run();

  // The server is going down: an idle or upgraded connection closes now, a busy one after its
  // answer.
  void stop();

  // Closes the connection if the other side has let the current deadline pass.
  void close_if_late(SteadyTime now);
  void close() { stream_->close(); }

  // Nobody has said yet that it may be here.
  bool is_stranger() const {
    return !peer_.is_known && !dropped_ && !(request_ != nullptr && request_->is_known);
  }
  const std::string& source() const { return peer_.source; }
  bool is_spare() const { return peer_.is_spare; }
  SteadyTime since() const { return since_; }

  // Closes it for another one's sake. It counts no more, though its handler may still be at work.
  void drop();
  bool is_dropped() const { return dropped_; }

 private:
  class Body;
  class Writer;
  class Upgraded;

  Task<bool> serve_one();                       // false: close the connection
  Task<bool> read_more(std::size_t bytes_max);  // false: end or loss of the connection
  Task<Response> answer(Request& request);
  Task<bool> refuse(int status, std::string_view why, bool head_only = false);
  Task<bool> send(Response response, bool keep_alive, bool head_only);
  Task<void> upgrade(Response response);
  Task<void> linger();
  void allow(std::chrono::steady_clock::duration time);

  std::unique_ptr<Stream> stream_;
  Peer peer_;
  Handler& handler_;
  const Request* request_ = nullptr;  // the one that is being handled
  SteadyTime since_ = std::chrono::steady_clock::now();
  std::string buffer_;  // received, not yet parsed
  SteadyTime deadline_ = SteadyTime::max();
  bool idle_ = true;
  bool upgraded_ = false;
  bool stopping_ = false;
  bool dropped_ = false;
};

}  // namespace matrx::http
