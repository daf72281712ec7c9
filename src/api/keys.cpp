#include "api/keys.hpp"

#include "base/text.hpp"

namespace matrx::api {

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  const bool is_bearer = authorization.size() > kBearer.size() &&
                         equals_ignoring_case(authorization.substr(0, kBearer.size()), kBearer);
  return is_bearer ? trim(authorization.substr(kBearer.size())) : std::string_view();
}

bool is_one_of(std::string_view key, const std::vector<std::string>& keys) {
  bool found = false;
  for (const auto& known : keys) found |= equals_in_constant_time(known, key);  // no early end
  return found;
}

}  // namespace matrx::api
