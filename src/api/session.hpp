#pragma once
// Who is signed in to the dashboard, and what a browser may do. Sessions are kept in memory only:
// a restart signs everybody out.

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "http/message.hpp"

namespace matrx::api {

inline constexpr std::string_view kCsrfHeader = "X-Matrx-CSRF";

class Sessions {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Session {
    std::string csrf;  // what a request that changes something has to show
    Time begun, used;
  };

  explicit Sessions(Random& random) : random_(random) {}

  // Answers the token of a new one. Too many: the one that was idle longest ends.
  std::string open(Time now);
  // Nothing: unknown, or over. Counts as a use.
  const Session* find(std::string_view token, Time now);
  void close(std::string_view token);
  std::size_t count() const { return sessions_.size(); }

 private:
  void forget_old(Time now);

  Random& random_;
  std::map<std::string, Session, std::less<>> sessions_;  // by token
};

// The session's token in the cookies of a request; empty where there is none.
std::string_view session_token_of(const http::Request& request);

// The Set-Cookie of a token; an empty one removes it.
std::string session_cookie(std::string_view token, const http::Request& request);

// What asks to change something, or for a connection that can.
bool is_upgrade(const http::Request& request);
bool is_mutating(const http::Request& request);

// Does the page that sends it come from here? Nothing: it does not say, so it is no browser's page.
std::optional<bool> is_of_our_origin(const http::Request& request);

// Why a request that a session's cookie vouches for is refused; nothing: it is not.
std::optional<std::string> why_refused(const Sessions::Session& session,
                                       const http::Request& request);

}  // namespace matrx::api
