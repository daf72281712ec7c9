#include "adapters/docker/engine_answer.hpp"

#include <fmt/format.h>

#include "adapters/docker/docker_messages.hpp"

namespace matrx::docker {

Error to_error(const http::ClientResponse& response, std::string_view doing) {
  const std::string words = read_message(response.body);
  Error error{.code = Code::internal,
              .message = fmt::format("The container engine could not {}.", doing),
              .internal = fmt::format("{} {}", response.status, words)};
  if (response.status == 404) error.code = Code::not_found;
  if (response.status == 409) error.code = Code::conflict;
  if (response.status == 503 || response.status == 500) error.code = Code::unavailable;
  return error;
}

}  // namespace matrx::docker
