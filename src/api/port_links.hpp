#pragma once
// Links that open one port of one sandbox to whoever has them, for a while. A page of a program has
// an origin of its own, so its scripts, styles and requests come without the session's cookie and
// without a key: the secret in their path stands for both, and for nothing else. Kept in memory
// only: a restart ends them all.

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "http/message.hpp"

namespace matrx::api {

struct PortLink {
  SandboxId sandbox;
  int port = 0;
  std::string session;  // of a browser: its token; the link ends with it
};

class PortLinks {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit PortLinks(Random& random) : random_(random) {}

  // Answers the secret. Too many: the one that would end first ends now.
  std::string make(PortLink link, Time ends);
  // Nothing: unknown, or over.
  std::optional<PortLink> find(std::string_view secret, Time now);
  void end_session(std::string_view session);
  void end_all() { links_.clear(); }
  std::size_t count() const { return links_.size(); }

 private:
  struct Entry {
    PortLink link;
    Time ends;
  };

  Random& random_;
  std::map<std::string, Entry, std::less<>> links_;  // by secret
};

// Where a link leads to: "/links/<secret>".
std::string link_path(std::string_view secret);

// A link's path without its secret, for the log; any other path as it is.
std::string without_secret(std::string_view path);

// What a program must see for its page to be one of its own: an Origin that is the program's
// instead of "null", and the path that its page is at.
void add_link_inwards(http::Headers& headers, int port, const std::string& prefix);

// What a browser must see: that a page may read the answers where its origin is "null", as all that
// it asks for is of another one then; and a redirection that stays below the link.
void add_link_outwards(http::Headers& headers, std::string_view origin, int port,
                       const std::string& prefix);

// A browser asks whether the page may send a request: yes. Nothing: this is no such question.
std::optional<http::Response> answer_preflight(const http::Request& request);

}  // namespace matrx::api
