#include "api/program_cookies.hpp"

#include <algorithm>
#include <array>
#include <ranges>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

// What may be said of it beside Domain and Path: how long it lasts and who may see it. Anything
// else (Priority, say, by which browsers choose what to forget) is left out.
bool is_harmless_attribute(std::string_view name) {
  constexpr std::array<std::string_view, 6> kHarmless = {"expires",  "max-age",  "secure",
                                                         "httponly", "samesite", "partitioned"};
  return std::ranges::find(kHarmless, to_lower(name)) != kHarmless.end();
}

}  // namespace

std::string cookie_prefix(const SandboxId& id, int port) {
  const std::string_view text = id.text();
  return "mx-" + std::string(text.substr(text.find('-') + 1)) + "-" + std::to_string(port) + "-";
}

std::string cookies_inwards(std::string_view cookies, std::string_view prefix) {
  std::string own;
  for (const auto item : split(cookies, ';')) {
    const auto cookie = trim(item);
    if (!cookie.starts_with(prefix)) continue;
    if (!own.empty()) own += "; ";
    own += cookie.substr(prefix.size());
  }
  return own;
}

std::optional<ProgramCookie> cookie_outwards(std::string_view set_cookie,
                                             const ProgramPlace& place) {
  if (set_cookie.size() > kProgramCookieBytesMax || has_control(set_cookie)) return std::nullopt;
  const auto parts = split(set_cookie, ';');
  const auto pair = trim(parts.front());
  const auto equals = pair.find('=');
  const auto name = trim(pair.substr(0, equals == std::string_view::npos ? 0 : equals));
  // One without a name comes back as its value alone, which may look like any other cookie.
  if (name.empty() || name.size() > kProgramCookieNameBytesMax) return std::nullopt;
  ProgramCookie cookie{.name = std::string(name), .set_cookie = {}};
  cookie.set_cookie = place.cookie_prefix + cookie.name + std::string(pair.substr(equals));
  cookie.set_cookie += "; Path=" + place.path;
  for (const auto part : parts | std::views::drop(1)) {
    const auto attribute = trim(part);
    if (is_harmless_attribute(trim(attribute.substr(0, attribute.find('='))))) {
      cookie.set_cookie.append("; ").append(attribute);
    }
  }
  return cookie;
}

bool ProgramCookieNames::may_set(const std::string& path, const std::string& name) {
  if (!names_.contains(path) && names_.size() >= kProgramCookiePlacesMax) {
    names_.erase(names_.begin());
  }
  auto& known = names_[path];
  if (known.contains(name)) return true;
  if (known.size() >= kProgramCookiesMax) return false;
  known.insert(name);
  return true;
}

}  // namespace matrx::api
