#include <algorithm>
#include <array>

#include "api/keys.hpp"
#include "api/proxy.hpp"
#include "api/session.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::string_view kSandboxPolicy =
    "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";

// Each name is in lower case; one that ends in '-' stands for all that begin so.
template <std::size_t N>
bool is_among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::any_of(names, [lower = to_lower(name)](std::string_view one) {
    return one.ends_with('-') ? lower.starts_with(one) : lower == one;
  });
}

// RFC 9110 §7.6.1, and what our client and server write themselves.
bool is_of_connection(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames = {"connection",
                                                       "keep-alive",
                                                       "proxy-authenticate",
                                                       "proxy-connection",
                                                       "proxy-authorization",
                                                       "te",
                                                       "proxy-authentication-info",
                                                       "trailer",
                                                       "transfer-encoding",
                                                       "upgrade",
                                                       "content-length"};
  return is_among(kNames, name);
}

// What "Connection: a, b" names belongs to the connection, too.
bool is_named(const http::Headers& headers, std::string_view name) {
  for (const auto& line : headers.lines()) {
    if (!equals_ignoring_case(line.name, "Connection")) continue;
    for (const auto item : split(line.value, ',')) {
      if (equals_ignoring_case(trim(item), name)) return true;
    }
  }
  return false;
}

// What a proxy in front of us, or a browser for its session, says about who is there; often a token
// that opens more than this. A program has no use for it that would be worth that.
bool is_identity(std::string_view name) {
  constexpr std::array<std::string_view, 22> kNames = {"x-auth-request-",
                                                       "x-amzn-oidc-",
                                                       "x-amzn-mtls-",
                                                       "x-goog-iap-",
                                                       "x-goog-authenticated-",
                                                       "x-ms-token-",
                                                       "x-ms-client-principal",
                                                       "x-ms-client-principal-",
                                                       "cf-access-",
                                                       "x-authentik-",
                                                       "x-pomerium-",
                                                       "x-vouch-",
                                                       "x-webauth-",
                                                       "x-remote-",
                                                       "remote-user",
                                                       "remote-groups",
                                                       "tailscale-user-",
                                                       "ssl-client-",
                                                       "x-ssl-client-",
                                                       "x-client-cert",
                                                       "sec-session-",
                                                       "secure-session-"};
  return is_among(kNames, name);
}

// Of X-Forwarded-… the address of who asks, and how he reached us; not who he is.
bool is_forwarded_identity(std::string_view name) {
  constexpr std::array<std::string_view, 5> kPlaces = {"x-forwarded-for", "x-forwarded-host",
                                                       "x-forwarded-port", "x-forwarded-prefix",
                                                       "x-forwarded-proto"};
  return to_lower(name).starts_with("x-forwarded-") && !is_among(kPlaces, name);
}

// What a browser would take for a word about our whole origin, the dashboard's.
bool is_of_origin(std::string_view name) {
  constexpr std::array<std::string_view, 22> kNames = {"accept-ch",
                                                       "accept-ch-lifetime",
                                                       "alt-svc",
                                                       "attribution-reporting-",
                                                       "clear-site-data",
                                                       "critical-ch",
                                                       "expect-ct",
                                                       "nel",
                                                       "origin-agent-cluster",
                                                       "public-key-pins",
                                                       "public-key-pins-report-only",
                                                       "report-to",
                                                       "reporting-endpoints",
                                                       "sec-session-",
                                                       "secure-session-",
                                                       "service-worker-allowed",
                                                       "set-cookie2",
                                                       "set-login",
                                                       "shared-storage-write",
                                                       "strict-transport-security",
                                                       "use-as-dictionary",
                                                       "x-request-id"};
  return is_among(kNames, name);
}

// A browser shows its own window for it, with our name, and keeps what is typed for all of our
// host.
bool asks_who_is_there(std::string_view name) {
  constexpr std::array<std::string_view, 2> kNames = {"www-authenticate", "authentication-info"};
  return is_among(kNames, name);
}

// Each part of it may set cookies, past everything that looks at headers (Firefox).
bool is_replaced_in_parts(const http::Headers::Line& line) {
  return equals_ignoring_case(line.name, "Content-Type") &&
         to_lower(line.value).find("x-mixed-replace") != std::string::npos;
}

// As it is, or as the password or the user of a Basic one.
bool holds_key(std::string_view value, const std::vector<std::string>& keys) {
  constexpr std::string_view kBasic = "basic ";
  std::string decoded;
  if (value.size() > kBasic.size() && equals_ignoring_case(value.substr(0, 6), kBasic)) {
    decoded = base64_decode(trim(value.substr(kBasic.size()))).value_or("");
  }
  return std::ranges::any_of(keys, [&](const std::string& key) {
    return value.find(key) != std::string_view::npos || decoded.find(key) != std::string::npos;
  });
}

// Belongs to the client or to us, and is nothing for a program.
bool stays_here(const http::Request& request, const http::Headers::Line& line,
                const Passage& passage) {
  if (is_of_connection(line.name) || is_named(request.headers, line.name)) return true;
  if (is_identity(line.name) || is_forwarded_identity(line.name)) return true;
  for (const std::string_view name : {passage.key_header, kCsrfHeader, std::string_view("Host"),
                                      std::string_view("Expect"), std::string_view("Cookie")}) {
    if (equals_ignoring_case(line.name, name)) return true;
  }
  if (equals_ignoring_case(line.name, "Authorization") && !passage.with_key) return true;
  return holds_key(line.value, passage.keys);
}

}  // namespace

http::Headers headers_inwards(const http::Request& request, const Passage& passage) {
  http::Headers headers;
  for (const auto& line : request.headers.lines()) {
    if (!stays_here(request, line, passage)) {
      headers.add(line.name, line.value);
    } else if (equals_ignoring_case(line.name, "Cookie")) {
      auto own = cookies_inwards(line.value, passage.place.cookie_prefix);
      if (!own.empty()) headers.add("Cookie", std::move(own));
    }
  }
  if (passage.is_upgrade) {
    headers.add("Connection", "Upgrade");
    headers.add("Upgrade", std::string(request.headers.get("Upgrade")));
  }
  headers.set("X-Forwarded-For", request.remote);
  headers.set("X-Forwarded-Host", std::string(request.headers.get("Host")));
  return headers;
}

http::Headers headers_outwards(const http::Headers& headers, const Passage& passage,
                               const std::function<bool(const std::string& name)>& may_set) {
  http::Headers out;
  for (const auto& line : headers.lines()) {
    if (is_of_connection(line.name) || is_named(headers, line.name)) continue;
    if (is_of_origin(line.name)) continue;
    if (asks_who_is_there(line.name) && !passage.with_key) continue;
    if (equals_ignoring_case(line.name, "Set-Cookie")) {
      auto cookie = cookie_outwards(line.value, passage.place);
      if (cookie && may_set(cookie->name)) out.add("Set-Cookie", std::move(cookie->set_cookie));
    } else if (is_replaced_in_parts(line) && !passage.with_key) {
      out.add("Content-Type", "application/octet-stream");
    } else {
      out.add(line.name, line.value);
    }
  }
  if (passage.is_upgrade) {
    out.add("Connection", "Upgrade");
    out.add("Upgrade", std::string(headers.get("Upgrade")));
  } else {
    out.add("Content-Security-Policy", std::string(kSandboxPolicy));  // all policies hold at once
  }
  return out;
}

bool is_for_a_page_of_ours(const http::Request& request) {
  constexpr std::array<std::string_view, 8> kCode = {
      "script",        "style",        "worker",       "sharedworker",
      "serviceworker", "audioworklet", "paintworklet", "xslt"};
  if (request.headers.has("Service-Worker")) return true;  // an opaque origin has none
  return equals_ignoring_case(trim(request.headers.get("Sec-Fetch-Site")), "same-origin") &&
         is_among(kCode, trim(request.headers.get("Sec-Fetch-Dest")));
}

}  // namespace matrx::api
