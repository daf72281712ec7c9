#pragma once
// process.Process over Connect in JSON: Start, Connect, List, SendInput, CloseStdin, SendSignal.
// Field names and behaviour: client-contracts.md §1.6 and §1.7.

#include "agent/processes.hpp"
#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

class ProcessService {
 public:
  explicit ProcessService(Processes& processes) : processes_(processes) {}

  // method: the last part of the path. Answers also what is unknown (unimplemented).
  Task<http::Response> handle(std::string_view method, http::Request& request);

 private:
  Task<http::Response> start(const http::Request& request);
  Task<http::Response> connect(const http::Request& request);
  Task<Result<json::object>> unary(std::string_view method, const json::object& message);
  json::object list() const;

  Processes& processes_;
};

// A unary answer's error, with its HTTP status.
http::Response connect_error(const Error& error);

// The error of a stream that never began: HTTP 200 and one closing envelope.
http::Response stream_error(const Error& error);

}  // namespace matrx::agent
