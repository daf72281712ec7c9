#pragma once
// Who is signed in to the dashboard, and what a browser may do. Sessions are kept in memory only:
// a restart signs everybody out.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

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
  void close_all() { sessions_.clear(); }
  std::size_t count() const { return sessions_.size(); }

 private:
  void forget_old(Time now);

  Random& random_;
  std::map<std::string, Session, std::less<>> sessions_;  // by token
};

// Whether a browser came over TLS, which ends at a proxy in front of us: as that says, or as one of
// our public origins says. Who lies here only hides the cookie from himself.
bool is_over_tls(const http::Request& request, const std::vector<std::string>& public_origins);

// The session's token in the cookies of a request; empty where there is none. Over TLS only the
// cookie that no other host and no page without TLS can have set.
std::string_view session_token_of(const http::Request& request, bool over_tls);

// The Set-Cookie of a token; an empty one removes it.
std::string session_cookie(std::string_view token, bool over_tls);

// What asks to change something, or for a connection that can.
bool is_upgrade(const http::Request& request);
bool is_mutating(const http::Request& request);

// Does the page that sends it come from here? Nothing: it does not say, so it is no browser's page.
std::optional<bool> is_of_our_origin(const http::Request& request);

// Does its Host name us, whatever a name server says of any other name: an address, localhost, or
// one of our public origins? A page whose name was made to lead here (DNS rebinding) has its own.
bool is_for_us(const http::Request& request, const std::vector<std::string>& public_origins);

// Why a request that a session's cookie vouches for is refused; nothing: it is not.
std::optional<std::string> why_refused(const Sessions::Session& session,
                                       const http::Request& request);

}  // namespace matrx::api
