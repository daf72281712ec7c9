#pragma once
// HTTP requests and responses as plain values. No Beast in here: every handler includes this file.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/byte_stream.hpp"

namespace matrx::http {

enum class Method { get, head, post, put, patch, del, options, other };

std::string_view method_name(Method method);
Method parse_method(std::string_view name);

// Header lines in order of arrival. Names compare without case.
class Headers {
 public:
  struct Line {
    std::string name;
    std::string value;
  };

  void add(std::string name, std::string value);
  void set(std::string_view name, std::string value);  // replaces every line of that name

  // The first line of that name; empty where there is none.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;

  const std::vector<Line>& lines() const { return lines_; }

 private:
  std::vector<Line> lines_;
};

// What follows the header of a request, read piece by piece. Valid while its handler runs.
//
// Of read_some(): timeout: the sender was silent for kBodyTimeout. invalid: broken chunking, or the
// connection ended early.
class BodyReader : public ByteSource {
 public:
  // Bytes that the header announces, where it does.
  virtual std::optional<std::uint64_t> announced_bytes() const = 0;

  // Everything. too_large: more than bytes_max.
  Task<Result<std::string>> read_all(std::size_t bytes_max);
};

struct Request {
  Method method = Method::get;
  std::string other_method;  // its word as sent, where it is Method::other: "PROPFIND"
  std::string target;        // as sent: "/sandboxes?user_id=u1"
  std::string path;          // the part before '?', still percent-encoded
  std::string query;         // the part after it, still encoded
  Headers headers;
  std::string remote;  // the peer's address; empty on a Unix socket
  std::string body;    // filled by whoever read it; see body_reader
  BodyReader* body_reader = nullptr;
  // For the handler to set, as soon as it knows: who asks has shown that he may. The others are the
  // first to go where there are too many connections.
  bool is_known = false;
  bool is_spare =
      false;  // on a connection beyond their number: only what costs nothing has an answer

  // The decoded value of a query parameter, the last one where it repeats.
  std::optional<std::string> query_value(std::string_view name) const;
  std::vector<std::string> query_values(std::string_view name) const;

  std::string_view method_text() const;
};

// Writes the pieces of a streamed answer. Each call returns when the connection has taken it.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // unavailable: the reader is gone. timeout: it took nothing for kWriteTimeout.
  virtual Task<Result<void>> write(std::string_view piece) = 0;
  // True once an answer without an end should come to one: the server is stopping, or the reader
  // has hung up (seen before the next write, which may be long in coming).
  virtual bool is_over() = 0;
};

using BodyStream = std::function<Task<void>(BodyWriter& writer)>;

// After 101 the connection speaks something else: plain bytes both ways, with what the client has
// sent already. It is closed when the task returns. No deadline but its own holds for it; close()
// ends what it is waiting for.
using Stream = ByteStream;
using Upgrade = std::function<Task<void>(Stream& connection)>;

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  BodyStream stream;  // where set, called after the header; body is ignored
  // Of a stream: announced as Content-Length, where known. One that writes less breaks the
  // connection, so that the client knows.
  std::optional<std::uint64_t> stream_bytes;
  // Of a stream of unknown length: false at its end means that it has failed. The connection is
  // broken then, so that the client knows. May be missing.
  std::shared_ptr<const bool> stream_complete;
  Upgrade upgrade;               // of a 101
  bool upgrade_answers = false;  // the upgrade writes the 101 itself
};

// Serialisation. CR and LF in values are dropped, so a value cannot add a header.
std::string request_header(std::string_view method, std::string_view target, std::string_view host,
                           const Headers& headers, std::optional<std::uint64_t> body_bytes);
std::string response_header(const Response& response, bool keep_alive, bool head_only = false);
std::string_view reason_phrase(int status);

}  // namespace matrx::http
