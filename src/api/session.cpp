#include "api/session.hpp"

#include <algorithm>

#include "api/errors.hpp"
#include "base/ipv4.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kCsrfBytes = 16;

bool is_over(const Sessions::Session& session, Sessions::Time now) {
  return now - session.used >= kSessionIdle || now - session.begun >= kSessionMax;
}

// A browser takes __Host- only over TLS, from the host itself, for all of its paths.
std::string_view cookie_name(bool over_tls) {
  return over_tls ? "__Host-matrx_session" : "matrx_session";
}

// "host:8000" → "host", "[::1]:8000" → "[::1]"
std::string_view host_of_authority(std::string_view authority) {
  const auto colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  return has_port ? authority.substr(0, colon) : authority;
}

// "https://host:8000" → "host:8000"; empty for "null" and what else has no host.
std::string_view authority_of(std::string_view origin) {
  const auto begin = origin.find("://");
  return begin == std::string_view::npos ? std::string_view() : origin.substr(begin + 3);
}

}  // namespace

std::string Sessions::open(Time now) {
  forget_old(now);
  std::string token = random_.hex(kTokenBytes);
  sessions_[token] = {.csrf = random_.hex(kCsrfBytes), .begun = now, .used = now};
  return token;
}

void Sessions::forget_old(Time now) {
  std::erase_if(sessions_, [now](const auto& entry) { return is_over(entry.second, now); });
  if (sessions_.size() < kSessionsMax) return;
  sessions_.erase(
      std::ranges::min_element(sessions_, {}, [](const auto& entry) { return entry.second.used; }));
}

const Sessions::Session* Sessions::find(std::string_view token, Time now) {
  const auto found = token.empty() ? sessions_.end() : sessions_.find(token);
  if (found == sessions_.end()) return nullptr;
  if (is_over(found->second, now)) {
    sessions_.erase(found);
    return nullptr;
  }
  found->second.used = now;
  return &found->second;
}

void Sessions::close(std::string_view token) {
  if (const auto found = sessions_.find(token); found != sessions_.end()) sessions_.erase(found);
}

bool is_over_tls(const http::Request& request, const std::vector<std::string>& public_origins) {
  if (equals_ignoring_case(request.headers.get("X-Forwarded-Proto"), "https")) return true;
  const auto host = trim(request.headers.get("Host"));
  return std::ranges::any_of(public_origins, [host](const std::string& origin) {
    return origin.starts_with("https://") && equals_ignoring_case(authority_of(origin), host);
  });
}

std::string_view session_token_of(const http::Request& request, bool over_tls) {
  const std::string_view name = cookie_name(over_tls);
  for (const auto& line : request.headers.lines()) {
    if (!equals_ignoring_case(line.name, "Cookie")) continue;
    for (const auto item : split(line.value, ';')) {
      const auto cookie = trim(item);
      const auto equals = cookie.find('=');
      if (equals != std::string_view::npos && cookie.substr(0, equals) == name) {
        return cookie.substr(equals + 1);
      }
    }
  }
  return {};
}

std::string session_cookie(std::string_view token, bool over_tls) {
  std::string cookie = std::string(cookie_name(over_tls)) + "=" + std::string(token);
  cookie += "; Path=/; HttpOnly; SameSite=Strict";
  if (token.empty()) cookie += "; Max-Age=0";
  if (over_tls) cookie += "; Secure";
  return cookie;
}

bool is_upgrade(const http::Request& request) { return !request.headers.get("Upgrade").empty(); }

bool is_mutating(const http::Request& request) {
  using http::Method;
  return request.method != Method::get && request.method != Method::head &&
         request.method != Method::options;
}

std::optional<bool> is_of_our_origin(const http::Request& request) {
  if (!request.headers.has("Origin")) return std::nullopt;
  const auto authority = authority_of(trim(request.headers.get("Origin")));
  if (authority.empty()) return false;
  // A proxy in front of us may put another Host; a page cannot set either of the two.
  return equals_ignoring_case(authority, request.headers.get("Host")) ||
         equals_ignoring_case(authority, request.headers.get("X-Forwarded-Host"));
}

bool is_for_us(const http::Request& request, const std::vector<std::string>& public_origins) {
  for (const auto& line : request.headers.lines()) {
    if (!equals_ignoring_case(line.name, "Host")) continue;
    const auto host = host_of_authority(trim(line.value));
    const bool is_address = is_ipv4_address(host) || host.starts_with('[');
    const bool is_ours =
        is_address || host.empty() || equals_ignoring_case(host, "localhost") ||
        std::ranges::any_of(public_origins, [host](const std::string& origin) {
          return equals_ignoring_case(host_of_authority(authority_of(origin)), host);
        });
    if (!is_ours) return false;
  }
  return true;
}

std::optional<std::string> why_refused(const Sessions::Session& session,
                                       const http::Request& request) {
  if (is_upgrade(request) && !is_of_our_origin(request).value_or(false)) {
    return "Only the dashboard's own pages may open this connection with its cookie.";
  }
  if (is_mutating(request) &&
      !equals_in_constant_time(request.headers.get(kCsrfHeader), session.csrf)) {
    return "The header " + std::string(kCsrfHeader) +
           " is missing or not that of this session: reload the page.";
  }
  return std::nullopt;
}

}  // namespace matrx::api
