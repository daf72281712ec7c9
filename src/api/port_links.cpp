#include "api/port_links.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::string_view kLinks = "/links/";
constexpr std::string_view kOpaqueOrigin = "null";

bool is_of_opaque_page(const http::Request& request) {
  return trim(request.headers.get("Origin")) == kOpaqueOrigin;
}

// Where a redirection leads, as seen from outside.
std::string relocated(std::string_view location, int port, const std::string& prefix) {
  for (const std::string_view host : {"localhost", "127.0.0.1"}) {
    const std::string own = "http://" + std::string(host) + ":" + std::to_string(port);
    if (location == own) return prefix + "/";
    if (location.starts_with(own + "/")) return prefix + std::string(location.substr(own.size()));
  }
  const bool is_absolute_path = location.starts_with('/') && !location.starts_with("//");
  return (is_absolute_path ? prefix : "") + std::string(location);
}

}  // namespace

std::string PortLinks::make(PortLink link, Time ends) {
  if (links_.size() >= kPortLinksMax) {
    links_.erase(
        std::ranges::min_element(links_, {}, [](const auto& entry) { return entry.second.ends; }));
  }
  std::string secret = random_.hex(kSecretBytes);
  links_[secret] = {.link = std::move(link), .ends = ends};
  return secret;
}

std::optional<PortLink> PortLinks::find(std::string_view secret, Time now) {
  const auto found = links_.find(secret);
  if (found == links_.end()) return std::nullopt;
  if (now >= found->second.ends) {
    links_.erase(found);
    return std::nullopt;
  }
  return found->second.link;
}

void PortLinks::end_session(std::string_view session) {
  if (session.empty()) return;
  std::erase_if(links_,
                [session](const auto& entry) { return entry.second.link.session == session; });
}

std::string link_path(std::string_view secret) { return std::string(kLinks) + std::string(secret); }

std::string without_secret(std::string_view path) {
  const auto plain = percent_decode(path);  // however it is written
  const bool is_link = path.find(kLinks) != std::string_view::npos ||
                       (plain && plain->find(kLinks) != std::string::npos);
  return is_link ? "/links/…" : std::string(path);
}

void add_link_inwards(http::Headers& headers, int port, const std::string& prefix) {
  if (trim(headers.get("Origin")) == kOpaqueOrigin) {
    headers.set("Origin", "http://localhost:" + std::to_string(port));
  }
  headers.set("X-Forwarded-Prefix", prefix);
}

void add_link_outwards(http::Headers& headers, std::string_view origin, int port,
                       const std::string& prefix) {
  if (headers.has("Location")) {
    headers.set("Location", relocated(headers.get("Location"), port, prefix));
  }
  // The path is a secret: it shall not travel with what the page fetches elsewhere.
  if (!headers.has("Referrer-Policy")) headers.set("Referrer-Policy", "no-referrer");
  if (trim(origin) != kOpaqueOrigin) return;
  std::string names;
  for (const auto& line : headers.lines()) names += (names.empty() ? "" : ", ") + line.name;
  headers.set("Access-Control-Allow-Origin", std::string(kOpaqueOrigin));
  headers.set("Access-Control-Allow-Credentials", "true");
  headers.set("Access-Control-Expose-Headers", std::move(names));
  headers.add("Vary", "Origin");
}

std::optional<http::Response> answer_preflight(const http::Request& request) {
  const auto method = request.headers.get("Access-Control-Request-Method");
  if (request.method != http::Method::options || method.empty() || !is_of_opaque_page(request)) {
    return std::nullopt;
  }
  http::Response response{.status = 204};
  response.headers.add("Access-Control-Allow-Origin", std::string(kOpaqueOrigin));
  response.headers.add("Access-Control-Allow-Credentials", "true");
  response.headers.add("Access-Control-Allow-Methods", std::string(method));
  if (const auto names = request.headers.get("Access-Control-Request-Headers"); !names.empty()) {
    response.headers.add("Access-Control-Allow-Headers", std::string(names));
  }
  response.headers.add("Access-Control-Max-Age", "600");
  response.headers.add("Vary", "Origin");
  return response;
}

}  // namespace matrx::api
