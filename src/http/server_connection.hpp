#pragma once
// One connection of a server, from accept to close.

#include <chrono>
#include <memory>
#include <string>

#include "http/server.hpp"
#include "http/stream.hpp"

namespace matrx::http {

class ServerConnection {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  ServerConnection(std::unique_ptr<Stream> stream, std::string remote, Handler& handler)
      : stream_(std::move(stream)), remote_(std::move(remote)), handler_(handler) {}

  // Answers requests until either side closes. Never throws but for cancellation.
  Task<void> run();

  // The server is going down: an idle or upgraded connection closes now, a busy one after its
  // answer.
  void stop();

  // Closes the connection if the other side has let the current deadline pass.
  void close_if_late(SteadyTime now);
  void close() { stream_->close(); }

 private:
  class Body;
  class Writer;
  class Upgraded;

  Task<bool> serve_one();                       // false: close the connection
  Task<bool> read_more(std::size_t bytes_max);  // false: end or loss of the connection
  Task<bool> refuse(int status, std::string_view why, bool head_only = false);
  Task<bool> send(Response response, bool keep_alive, bool head_only);
  Task<void> upgrade(Response response);
  Task<void> linger();
  void allow(std::chrono::steady_clock::duration time);

  std::unique_ptr<Stream> stream_;
  std::string remote_;
  Handler& handler_;
  std::string buffer_;  // received, not yet parsed
  SteadyTime deadline_ = SteadyTime::max();
  bool idle_ = true;
  bool upgraded_ = false;
  bool stopping_ = false;
};

}  // namespace matrx::http
