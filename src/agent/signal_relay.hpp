#pragma once
// From programs in the sandbox to the orchestrator: they call a loopback port, the orchestrator
// listens on a stream that it opened over our socket. So a sandbox can only speak for itself, and
// needs neither a key nor a network.

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "agent/limits.hpp"
#include "async/notice.hpp"
#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

class SignalRelay {
 public:
  // A program hears after reply_deadline at the latest, also where no orchestrator listens.
  explicit SignalRelay(std::string sandbox_id, milliseconds reply_deadline = kSignalReplyDeadline)
      : sandbox_id_(std::move(sandbox_id)), reply_deadline_(reply_deadline) {}

  // The loopback side: POST /sandboxes/{id}/heartbeat|complete|error.
  Task<http::Response> handle_loopback(http::Request& request);

  // The orchestrator's side: the stream of signals, and its replies. A new subscriber replaces
  // the one before.
  http::Response subscribe();
  // Ends the stream: the agent is about to end.
  void stop();
  Task<http::Response> handle_reply(http::Request& request);

 private:
  struct Signal {
    std::int64_t id = 0;
    json::object message;
    bool answered = false;
    Error error;  // of the reply; ok where has_error is false
    bool has_error = false;
  };

  Task<Result<void>> deliver(json::object message);
  Task<void> stream(http::BodyWriter& writer, std::uint64_t subscriber);

  std::string sandbox_id_;
  milliseconds reply_deadline_;
  std::int64_t last_id_ = 0;
  std::uint64_t subscriber_ = 0;  // counts subscriptions; the last one is served
  std::deque<std::shared_ptr<Signal>> unsent_;
  std::map<std::int64_t, std::shared_ptr<Signal>> waiting_;
  Notice changed_;
};

}  // namespace matrx::agent
