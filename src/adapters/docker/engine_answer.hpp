#pragma once
// What the engine's answers mean to a caller.

#include <string_view>

#include "base/error.hpp"
#include "http/client.hpp"

namespace matrx::docker {

inline bool succeeded(const http::ClientResponse& response) {
  return response.status >= 200 && response.status < 300;
}

// Of an unexpected status. doing: "create the container".
Error to_error(const http::ClientResponse& response, std::string_view doing);

}  // namespace matrx::docker
