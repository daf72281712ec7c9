#pragma once
// One description of a JSON message, used three times: to decode and validate requests, to encode
// answers, and to write the OpenAPI document. So the three cannot drift apart.
//
//   const auto schema = Schema<Point>("Point")
//       .field("x", &Point::x, between(0, 100), says("From the left, in pixels."))
//       .field("name", &Point::name, chars(1, 50));
//
// A member of type std::optional may be missing or null. Unknown members are ignored. Errors are
// reported all at once, in the shape that FastAPI clients expect.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/codec.hpp"

namespace matrx {

template <class T>
class Schema {
 public:
  using value_type = T;

  explicit Schema(std::string name) : name_(std::move(name)) {}

  // Adds a member. Rules (wire/codec.hpp) apply in the order given.
  template <class M, class... Rules>
  Schema&& field(std::string name, M T::* member, Rules... rules) && {
    add(std::move(name), member, true, std::move(rules)...);
    return std::move(*this);
  }

  // The same, but it may be missing: the member keeps the value that T{} gives it.
  template <class M, class... Rules>
  Schema&& field_with_default(std::string name, M T::* member, Rules... rules) && {
    add(std::move(name), member, false, std::move(rules)...);
    return std::move(*this);
  }

  const std::string& name() const { return name_; }

  // Reads every field; problems go to `errors`, and what is returned then is not to be used.
  T decode(const json::value& from, FieldErrors& errors,
           std::vector<std::string> loc = {"body"}) const {
    T out{};
    const json::object* object = from.if_object();
    if (object == nullptr) {
      errors.push_back({loc, "Input should be a valid dictionary or object", "dict_type"});
      return out;
    }
    for (const Field& field : fields_) {
      loc.push_back(field.name);
      const json::value* found = object->if_contains(field.name);
      if (found == nullptr && field.required) {
        errors.push_back({loc, "Field required", "missing"});
      } else if (found != nullptr) {
        field.decode(*found, out, errors, loc);
      }
      loc.pop_back();
    }
    return out;
  }

  // Optional members without a value are left out.
  json::object encode(const T& from) const {
    json::object out;
    out.reserve(fields_.size());
    for (const Field& field : fields_) field.encode(from, out);
    return out;
  }

  // As JSON Schema (the 2020-12 dialect of OpenAPI 3.1).
  json::object describe() const {
    json::object properties;
    json::array required;
    for (const Field& field : fields_) {
      properties[field.name] = field.schema;
      if (field.required) required.emplace_back(field.name);
    }
    json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty()) schema["required"] = std::move(required);
    return schema;
  }

 private:
  struct Field {
    std::string name;
    bool required = true;
    json::object schema;
    std::function<void(const json::value&, T&, FieldErrors&, const Loc&)> decode;
    std::function<void(const T&, json::object&)> encode;
  };

  template <class M, class... Rules>
  void add(std::string name, M T::* member, bool required, Rules... rules) {
    using Inner = Unwrapped<M>;
    Field field;
    field.name = name;
    field.required = required && !kIsOptional<M>;
    field.schema = Codec<Inner>::schema();
    if constexpr (!kIsOptional<M>) {
      if (!required) field.schema["default"] = Codec<M>::encode(T{}.*member);
    }
    (rules.describe(field.schema), ...);
    field.decode = [member, rules...](const json::value& from, T& out, FieldErrors& errors,
                                      const Loc& loc) {
      if (kIsOptional<M> && from.is_null()) return;
      Inner inner{};
      if (!Codec<Inner>::decode(from, inner, errors, loc)) return;
      if (!(rules.check(inner, errors, loc) && ...)) return;
      out.*member = std::move(inner);
    };
    field.encode = [member, name = std::move(name)](const T& from, json::object& out) {
      if constexpr (kIsOptional<M>) {
        if (from.*member) out.emplace(name, Codec<Inner>::encode(*(from.*member)));
      } else {
        out.emplace(name, Codec<Inner>::encode(from.*member));
      }
    };
    fields_.push_back(std::move(field));
  }

  std::string name_;
  std::vector<Field> fields_;
};

}  // namespace matrx

// A described struct as a member of another one.
#define MATRX_NESTED_CODEC(Type, schema_function)                                                 \
  template <>                                                                                     \
  struct Codec<Type> {                                                                            \
    static bool decode(const json::value& from, Type& out, FieldErrors& errors, const Loc& loc) { \
      const auto before = errors.size();                                                          \
      out = schema_function().decode(from, errors, loc);                                          \
      return errors.size() == before;                                                             \
    }                                                                                             \
    static json::value encode(const Type& from) { return schema_function().encode(from); }        \
    static json::object schema() { return schema_function().describe(); }                         \
  }
