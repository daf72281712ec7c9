#pragma once
// JSON text ⇄ values, and tolerant reading of other people's objects.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "model/sandbox.hpp"

namespace matrx::json {

using boost::json::array;
using boost::json::object;
using boost::json::serialize;
using boost::json::value;

// Strict JSON in valid UTF-8, at most 32 levels deep. invalid: the message says where it breaks.
Result<value> parse(std::string_view text);

// {"a":"b"} ⇄ pairs. Nothing where it is not an object; what is not a string is its JSON text.
std::optional<Pairs> decode_pairs(std::string_view text);
std::string encode_pairs(const Pairs& pairs);

// Members of an object that we do not trust: a missing or mistyped one reads as the fallback.
std::string_view text_at(const object& from, std::string_view name);
std::int64_t integer_at(const object& from, std::string_view name, std::int64_t fallback = 0);
bool flag_at(const object& from, std::string_view name);
const object* object_at(const object& from, std::string_view name);
const array* array_at(const object& from, std::string_view name);

inline std::string to_string(const boost::json::string& text) {
  return std::string(text.data(), text.size());
}

}  // namespace matrx::json
