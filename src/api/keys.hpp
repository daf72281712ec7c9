#pragma once
// API keys in requests.

#include <string>
#include <string_view>
#include <vector>

namespace matrx::api {

// "Bearer abc" → "abc"; empty where it is no bearer token.
std::string_view bearer_token(std::string_view authorization);

// In a time that tells nothing of the keys.
bool is_one_of(std::string_view key, const std::vector<std::string>& keys);

}  // namespace matrx::api
