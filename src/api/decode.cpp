#include "api/decode.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"

namespace matrx::api {

bool QueryReader::flag(std::string_view name, bool fallback) {
  const auto value = text(name);
  if (!value) return fallback;
  const std::string word = to_lower(*value);
  if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "0" || word == "no" || word == "off") return false;
  refuse(name, "Input should be a valid boolean, unable to interpret input", "bool_parsing");
  return fallback;
}

int QueryReader::integer(std::string_view name, int fallback, int min, int max) {
  const auto value = text(name);
  if (!value) return fallback;
  int number = 0;
  const char* end = value->data() + value->size();
  const auto [stopped, ec] = std::from_chars(value->data(), end, number);
  if (ec != std::errc() || stopped != end) {
    refuse(name, "Input should be a valid integer, unable to parse string as an integer",
           "int_parsing");
    return fallback;
  }
  if (number < min || number > max) {
    refuse(name, fmt::format("Input should be between {} and {}", min, max),
           number < min ? "greater_than_equal" : "less_than_equal");
    return fallback;
  }
  return number;
}

void QueryReader::refuse(std::string_view name, std::string msg, std::string type) {
  errors_.push_back({{"query", std::string(name)}, std::move(msg), std::move(type)});
}

Result<SandboxId> sandbox_id_of(const Context& context) {
  auto id = context.params.empty() ? std::nullopt : SandboxId::parse(context.params.front());
  if (!id) return fail(Code::not_found, "There is no such sandbox.");
  return *std::move(id);
}

}  // namespace matrx::api
