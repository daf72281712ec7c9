#pragma once
// How single JSON values are read, written and described; and the rules a value may have to keep.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "wire/json.hpp"

namespace matrx {

using Loc = std::vector<std::string>;

// One problem of a request, as FastAPI reports it.
struct FieldError {
  Loc loc;           // {"body", "timeout"}
  std::string msg;   // for people
  std::string type;  // for programs: "missing", "int_type", …
};
using FieldErrors = std::vector<FieldError>;

// JSON that we pass on without looking into it.
struct RawJson {
  std::string text;
};
struct RawObject {
  std::string text = "{}";
};

template <class M>
inline constexpr bool kIsOptional = false;
template <class M>
inline constexpr bool kIsOptional<std::optional<M>> = true;

template <class M>
struct UnwrappedType {
  using type = M;
};
template <class M>
struct UnwrappedType<std::optional<M>> {
  using type = M;
};
template <class M>
using Unwrapped = typename UnwrappedType<M>::type;

// Codec<M>::decode answers false, with the reason in errors, where the value has another type.
template <class M>
struct Codec;

#define MATRX_DECLARE_CODEC(M)                                                                \
  template <>                                                                                 \
  struct Codec<M> {                                                                           \
    static bool decode(const json::value& from, M& out, FieldErrors& errors, const Loc& loc); \
    static json::value encode(const M& from);                                                 \
    static json::object schema();                                                             \
  }

MATRX_DECLARE_CODEC(std::string);
MATRX_DECLARE_CODEC(bool);
MATRX_DECLARE_CODEC(int);
MATRX_DECLARE_CODEC(std::int64_t);
MATRX_DECLARE_CODEC(double);
MATRX_DECLARE_CODEC(TimePoint);
MATRX_DECLARE_CODEC(Pairs);
MATRX_DECLARE_CODEC(RawJson);
MATRX_DECLARE_CODEC(RawObject);

#undef MATRX_DECLARE_CODEC

template <class M>
struct Codec<std::vector<M>> {
  static bool decode(const json::value& from, std::vector<M>& out, FieldErrors& errors,
                     const Loc& loc) {
    const json::array* array = from.if_array();
    if (array == nullptr) {
      errors.push_back({loc, "Input should be a valid list", "list_type"});
      return false;
    }
    for (const json::value& item : *array) {
      if (!Codec<M>::decode(item, out.emplace_back(), errors, loc)) return false;
    }
    return true;
  }
  static json::value encode(const std::vector<M>& from) {
    json::array array;
    array.reserve(from.size());
    for (const M& item : from) array.push_back(Codec<M>::encode(item));
    return array;
  }
  static json::object schema() { return {{"type", "array"}, {"items", Codec<M>::schema()}}; }
};

// --- Rules -------------------------------------------------------------------------------------
// Each has describe(schema) and check(value, errors, loc); check answers false after a report.

struct LengthRule {
  std::size_t min = 0, max = 0;  // Unicode code points
  void describe(json::object& schema) const;
  bool check(const std::string& text, FieldErrors& errors, const Loc& loc) const;
};
inline LengthRule chars(std::size_t min, std::size_t max) { return {min, max}; }

template <class N>
struct RangeRule {
  N min, max;
  void describe(json::object& schema) const {
    schema["minimum"] = min;
    schema["maximum"] = max;
  }
  template <class V>
  bool check(const V& number, FieldErrors& errors, const Loc& loc) const;
};
template <class N>
RangeRule<N> between(N min, N max) {
  return {min, max};
}
void report_range(double limit, bool below, FieldErrors& errors, const Loc& loc);
template <class N>
template <class V>
bool RangeRule<N>::check(const V& number, FieldErrors& errors, const Loc& loc) const {
  if (number >= min && number <= max) return true;
  const bool below = number < min;
  report_range(static_cast<double>(below ? min : max), below, errors, loc);
  return false;
}

// A named predicate; pattern is its regular expression for the document.
struct PatternRule {
  std::string pattern;
  bool (*matches)(std::string_view);
  void describe(json::object& schema) const { schema["pattern"] = pattern; }
  bool check(const std::string& text, FieldErrors& errors, const Loc& loc) const;
};

// No U+0000: it would end the text early on its way through the kernel.
struct NoNulRule {
  void describe(json::object&) const {}
  bool check(const std::string& text, FieldErrors& errors, const Loc& loc) const;
};
inline NoNulRule no_nul() { return {}; }

// At most `bytes` of text (raw JSON, base64 …).
struct BytesRule {
  std::size_t max = 0;
  void describe(json::object&) const {}
  bool check(const std::string& text, FieldErrors& errors, const Loc& loc) const;
  bool check(const RawJson& raw, FieldErrors& errors, const Loc& loc) const {
    return check(raw.text, errors, loc);
  }
  bool check(const RawObject& raw, FieldErrors& errors, const Loc& loc) const {
    return check(raw.text, errors, loc);
  }
};
inline BytesRule bytes_at_most(std::size_t max) { return {max}; }

struct PairsRule {
  std::size_t count_max = 0, chars_max = 0, bytes_max = 0;
  bool names_are_variables = false;  // [A-Za-z_][A-Za-z0-9_]*
  void describe(json::object& schema) const { schema["maxProperties"] = count_max; }
  bool check(const Pairs& pairs, FieldErrors& errors, const Loc& loc) const;
};

struct OneOfRule {
  std::vector<std::string> values;
  void describe(json::object& schema) const;
  bool check(const std::string& text, FieldErrors& errors, const Loc& loc) const;
};
inline OneOfRule one_of(std::vector<std::string> values) { return {std::move(values)}; }

struct DescriptionRule {
  std::string text;
  void describe(json::object& schema) const { schema["description"] = text; }
  template <class V>
  bool check(const V&, FieldErrors&, const Loc&) const {
    return true;
  }
};
inline DescriptionRule says(std::string text) { return {std::move(text)}; }

struct ExampleRule {
  json::value example;
  void describe(json::object& schema) const { schema["examples"] = json::array{example}; }
  template <class V>
  bool check(const V&, FieldErrors&, const Loc&) const {
    return true;
  }
};
inline ExampleRule example(json::value v) { return {std::move(v)}; }

}  // namespace matrx
