#pragma once
// Who may call: the access token that /init has set, or a signed URL (client-contracts.md §1.9).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace matrx::agent {

struct SignedUrl {
  std::string path;                        // exactly as in the URL, decoded; "" where it names none
  std::string operation;                   // "read" or "write"
  std::string user;                        // "" where the URL names none
  std::optional<std::int64_t> expiration;  // unix seconds
};

// "v1_" and the base64 without padding of a SHA-256.
std::string url_signature(const SignedUrl& url, std::string_view token);

// Whether the request carries the token. True where none was set.
bool has_token(const http::Request& request, std::string_view token);

// The same, or a valid signature in the query of a request to /files. The message says what is
// wrong.
Result<void> check_file_access(const http::Request& request, std::string_view token,
                               std::int64_t now);

}  // namespace matrx::agent
