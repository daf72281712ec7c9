#include "wire/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace matrx {
namespace {

bool refuse(FieldErrors& errors, const Loc& loc, std::string msg, std::string type) {
  errors.push_back({loc, std::move(msg), std::move(type)});
  return false;
}

template <class N>
bool decode_integer(const json::value& from, N& out, FieldErrors& errors, const Loc& loc) {
  boost::system::error_code ec;
  if (from.is_number()) {
    out = from.to_number<N>(ec);
    if (!ec) return true;
  }
  return refuse(errors, loc, "Input should be a valid integer", "int_type");
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

bool Codec<std::string>::decode(const json::value& from, std::string& out, FieldErrors& errors,
                                const Loc& loc) {
  const auto* text = from.if_string();
  if (text == nullptr) return refuse(errors, loc, "Input should be a valid string", "string_type");
  out.assign(text->data(), text->size());
  return true;
}
json::value Codec<std::string>::encode(const std::string& from) { return json::value(from); }
json::object Codec<std::string>::schema() { return {{"type", "string"}}; }

bool Codec<bool>::decode(const json::value& from, bool& out, FieldErrors& errors, const Loc& loc) {
  if (!from.is_bool()) return refuse(errors, loc, "Input should be a valid boolean", "bool_type");
  out = from.get_bool();
  return true;
}
json::value Codec<bool>::encode(const bool& from) { return json::value(from); }
json::object Codec<bool>::schema() { return {{"type", "boolean"}}; }

bool Codec<int>::decode(const json::value& from, int& out, FieldErrors& errors, const Loc& loc) {
  return decode_integer(from, out, errors, loc);
}
json::value Codec<int>::encode(const int& from) { return json::value(from); }
json::object Codec<int>::schema() { return {{"type", "integer"}}; }

bool Codec<std::int64_t>::decode(const json::value& from, std::int64_t& out, FieldErrors& errors,
                                 const Loc& loc) {
  return decode_integer(from, out, errors, loc);
}
json::value Codec<std::int64_t>::encode(const std::int64_t& from) { return json::value(from); }
json::object Codec<std::int64_t>::schema() { return {{"type", "integer"}, {"format", "int64"}}; }

bool Codec<double>::decode(const json::value& from, double& out, FieldErrors& errors,
                           const Loc& loc) {
  if (!from.is_number()) {
    return refuse(errors, loc, "Input should be a valid number", "float_type");
  }
  out = from.to_number<double>();
  return true;
}
json::value Codec<double>::encode(const double& from) {
  // Whole numbers as such: the serializer would write 2 as 2E0.
  const auto whole = static_cast<std::int64_t>(from);
  if (std::abs(from) < 1e15 && static_cast<double>(whole) == from) return json::value(whole);
  return json::value(from);
}
json::object Codec<double>::schema() { return {{"type", "number"}}; }

bool Codec<TimePoint>::decode(const json::value& from, TimePoint& out, FieldErrors& errors,
                              const Loc& loc) {
  const auto* text = from.if_string();
  const auto time =
      text ? from_rfc3339(std::string_view(text->data(), text->size())) : std::nullopt;
  if (!time) {
    return refuse(errors, loc, "Input should be a valid datetime in UTC", "datetime_type");
  }
  out = *time;
  return true;
}
json::value Codec<TimePoint>::encode(const TimePoint& from) {
  return json::value(to_rfc3339(from));
}
json::object Codec<TimePoint>::schema() { return {{"type", "string"}, {"format", "date-time"}}; }

bool Codec<Pairs>::decode(const json::value& from, Pairs& out, FieldErrors& errors,
                          const Loc& loc) {
  const auto* object = from.if_object();
  if (object == nullptr) {
    return refuse(errors, loc, "Input should be a valid dictionary", "dict_type");
  }
  for (const auto& member : *object) {
    const auto* text = member.value().if_string();
    if (text == nullptr) {
      Loc inner = loc;
      inner.emplace_back(member.key());
      return refuse(errors, inner, "Input should be a valid string", "string_type");
    }
    out.emplace_back(std::string(member.key()), json::to_string(*text));
  }
  return true;
}
json::value Codec<Pairs>::encode(const Pairs& from) {
  json::object object;
  for (const auto& [name, text] : from) object[name] = text;
  return object;
}
json::object Codec<Pairs>::schema() {
  return {{"type", "object"}, {"additionalProperties", json::object{{"type", "string"}}}};
}

bool Codec<RawJson>::decode(const json::value& from, RawJson& out, FieldErrors&, const Loc&) {
  out.text = json::serialize(from);
  return true;
}
json::value Codec<RawJson>::encode(const RawJson& from) {
  auto parsed = json::parse(from.text);
  return parsed ? *std::move(parsed) : json::value(nullptr);
}
json::object Codec<RawJson>::schema() { return {}; }

bool Codec<RawObject>::decode(const json::value& from, RawObject& out, FieldErrors& errors,
                              const Loc& loc) {
  if (!from.is_object()) {
    return refuse(errors, loc, "Input should be a valid dictionary", "dict_type");
  }
  out.text = json::serialize(from);
  return true;
}
json::value Codec<RawObject>::encode(const RawObject& from) {
  auto parsed = json::parse(from.text);
  return parsed && parsed->is_object() ? *std::move(parsed) : json::value(json::object());
}
json::object Codec<RawObject>::schema() { return {{"type", "object"}}; }

void LengthRule::describe(json::object& schema) const {
  schema["minLength"] = min;
  schema["maxLength"] = max;
}

bool LengthRule::check(const std::string& text, FieldErrors& errors, const Loc& loc) const {
  const std::size_t length = utf8_length(text).value_or(text.size());
  if (length < min) {
    return refuse(
        errors, loc,
        fmt::format("String should have at least {} character{}", min, min == 1 ? "" : "s"),
        "string_too_short");
  }
  if (length > max) {
    return refuse(errors, loc, fmt::format("String should have at most {} characters", max),
                  "string_too_long");
  }
  return true;
}

void report_range(double limit, bool below, FieldErrors& errors, const Loc& loc) {
  refuse(errors, loc,
         fmt::format("Input should be {} than or equal to {}", below ? "greater" : "less", limit),
         below ? "greater_than_equal" : "less_than_equal");
}

bool PatternRule::check(const std::string& text, FieldErrors& errors, const Loc& loc) const {
  if (matches(text)) return true;
  return refuse(errors, loc, "String should match pattern '" + pattern + "'",
                "string_pattern_mismatch");
}

bool NoNulRule::check(const std::string& text, FieldErrors& errors, const Loc& loc) const {
  if (text.find('\0') == std::string::npos) return true;
  return refuse(errors, loc, "String should not contain NUL characters", "string_nul");
}

bool BytesRule::check(const std::string& text, FieldErrors& errors, const Loc& loc) const {
  if (text.size() <= max) return true;
  return refuse(errors, loc, fmt::format("Value should have at most {} bytes", max), "too_long");
}

bool PairsRule::check(const Pairs& pairs, FieldErrors& errors, const Loc& loc) const {
  if (pairs.size() > count_max) {
    return refuse(errors, loc, fmt::format("Dictionary should have at most {} items", count_max),
                  "too_long");
  }
  std::size_t bytes = 0;
  for (const auto& [name, text] : pairs) {
    Loc inner = loc;
    inner.push_back(name);
    bytes += name.size() + text.size();
    if (name.find('\0') != std::string::npos || text.find('\0') != std::string::npos) {
      return refuse(errors, inner, "String should not contain NUL characters", "string_nul");
    }
    if (names_are_variables && !is_variable_name(name)) {
      return refuse(errors, inner, "Name should match pattern '^[A-Za-z_][A-Za-z0-9_]*$'",
                    "string_pattern_mismatch");
    }
    if (name.empty() || (chars_max > 0 && (name.size() > chars_max || text.size() > chars_max))) {
      return refuse(errors, inner,
                    fmt::format("Name and value should have at most {} bytes each", chars_max),
                    "string_too_long");
    }
  }
  if (bytes_max > 0 && bytes > bytes_max) {
    return refuse(errors, loc, fmt::format("Dictionary should have at most {} bytes", bytes_max),
                  "too_long");
  }
  return true;
}

void OneOfRule::describe(json::object& schema) const {
  json::array allowed;
  for (const auto& text : values) allowed.emplace_back(text);
  schema["enum"] = std::move(allowed);
}

bool OneOfRule::check(const std::string& text, FieldErrors& errors, const Loc& loc) const {
  if (std::ranges::find(values, text) != values.end()) return true;
  return refuse(errors, loc, fmt::format("Input should be one of: {}", fmt::join(values, ", ")),
                "enum");
}

}  // namespace matrx
