#include "agent/access.hpp"

#include <charconv>

#include "base/text.hpp"
#include "wire/sha256.hpp"

namespace matrx::agent {

std::string url_signature(const SignedUrl& url, std::string_view token) {
  std::string text = url.path + ":" + url.operation + ":" + url.user + ":";
  text += token;
  if (url.expiration) text += ":" + std::to_string(*url.expiration);
  const auto digest = sha256(text);
  std::string encoded =
      base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
  while (encoded.ends_with('=')) encoded.pop_back();
  return "v1_" + encoded;
}

bool has_token(const http::Request& request, std::string_view token) {
  return token.empty() || equals_in_constant_time(request.headers.get("X-Access-Token"), token);
}

Result<void> check_file_access(const http::Request& request, std::string_view token,
                               std::int64_t now) {
  if (has_token(request, token)) return {};
  if (request.headers.has("X-Access-Token")) {
    return fail(Code::unauthenticated, "The access token is not valid.");
  }
  const auto signature = request.query_value("signature");
  if (!signature) return fail(Code::unauthenticated, "An access token or a signature is needed.");
  SignedUrl url{.path = request.query_value("path").value_or(""),
                .operation = request.method == http::Method::post ? "write" : "read",
                .user = request.query_value("username").value_or(""),
                .expiration = {}};
  if (const auto text = request.query_value("signature_expiration")) {
    std::int64_t at = 0;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), at);
    if (text->empty() || ec != std::errc() || end != text->data() + text->size()) {
      return fail(Code::unauthenticated, "signature_expiration is no number.");
    }
    url.expiration = at;
  }
  if (!equals_in_constant_time(*signature, url_signature(url, token))) {
    return fail(Code::unauthenticated, "The signature is not valid.");
  }
  if (url.expiration && *url.expiration < now) {
    return fail(Code::unauthenticated, "The signature has expired.");
  }
  return {};
}

}  // namespace matrx::agent
