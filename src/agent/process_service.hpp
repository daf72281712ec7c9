#pragma once
// process.Process over Connect in JSON: Start, Connect, List, Update, SendInput, StreamInput,
// CloseStdin, SendSignal. Field names and behaviour: client-contracts.md §1.6 and §1.7.

#include "agent/process_messages.hpp"
#include "agent/processes.hpp"
#include "http/message.hpp"

namespace matrx::agent {

class ProcessService {
 public:
  explicit ProcessService(Processes& processes) : processes_(processes) {}

  // method: the last part of the path. Answers also what is unknown (unimplemented).
  Task<http::Response> handle(std::string_view method, http::Request& request);

 private:
  Task<http::Response> start(const http::Request& request);
  Task<http::Response> connect(const http::Request& request);
  Task<http::Response> stream_input(http::Request& request);
  Task<Result<void>> feed(http::Request& request);
  Task<Result<json::object>> unary(std::string_view method, const json::object& message);
  json::object list(bool all) const;
  Result<std::shared_ptr<Process>> select(const json::object& message) const;
  Result<std::shared_ptr<Process>> select_running(const json::object& message) const;

  Processes& processes_;
};

}  // namespace matrx::agent
