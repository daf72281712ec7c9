#pragma once
// What every call of the Connect protocol in JSON shares: its headers, errors, envelopes.
// client-contracts.md §1.6.

#include <chrono>
#include <optional>
#include <string>

#include "http/message.hpp"
#include "wire/json.hpp"

namespace matrx::agent {

// How long a stream may last, and how often it gives a sign of life.
struct StreamLimits {
  std::optional<milliseconds> timeout;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  milliseconds ping;
  std::chrono::steady_clock::time_point last_word = std::chrono::steady_clock::now();

  bool passed() const;    // the deadline
  bool ping_due() const;  // nothing was said for as long as a ping may take
  void spoken() { last_word = std::chrono::steady_clock::now(); }
  // How long to wait for something to say: until the next ping or the deadline, and no longer
  // than it may take to notice that the client has hung up.
  milliseconds patience() const;
};
StreamLimits limits_of(const http::Request& request);

// The user that "Authorization: Basic base64(user:)" names; empty: none.
std::string user_of(const http::Request& request);

// The one message of a streaming request, whose body has been read.
Result<json::object> stream_message(const http::Request& request);

std::string envelope(const json::object& message);
std::string end_envelope(const std::optional<Error>& error);
Error deadline_error();

// 64 bit numbers travel as text (proto3 JSON); plain ones are taken, too. Nothing where it is
// neither, or negative.
std::optional<std::uint64_t> uint64_at(const json::object& from, std::string_view name);

http::Response json_answer(const json::object& message);

// A unary answer's error, with its HTTP status.
http::Response connect_error(const Error& error);
http::Response connect_error(int status, std::string_view code, std::string_view message);

http::Response stream_response(http::BodyStream stream);
// The error of a stream that never began: HTTP 200 and one closing envelope.
http::Response stream_error(const Error& error);

}  // namespace matrx::agent
