#pragma once
// Request → values, with FastAPI-shaped refusals.

#include <expected>

#include "api/errors.hpp"
#include "api/router.hpp"

namespace matrx::api {

// An empty body reads as {} where the route allows it.
template <class T>
std::expected<T, http::Response> decode_body(const Context& context, const Schema<T>& schema,
                                             bool may_be_empty = false) {
  FieldErrors errors;
  const std::string& body = context.request.body;
  auto parsed =
      may_be_empty && body.empty() ? Result<json::value>(json::object()) : json::parse(body);
  if (!parsed) {
    errors.push_back({{"body"}, parsed.error().message, "json_invalid"});
    return std::unexpected(validation_response(errors, context.request_id));
  }
  T decoded = schema.decode(*parsed, errors);
  if (!errors.empty()) return std::unexpected(validation_response(errors, context.request_id));
  return decoded;
}

// Query parameters with their checks; collects what is wrong.
class QueryReader {
 public:
  explicit QueryReader(const Context& context) : context_(context) {}

  std::optional<std::string> text(std::string_view name) const {
    return context_.request.query_value(name);
  }
  bool flag(std::string_view name, bool fallback);
  int integer(std::string_view name, int fallback, int min, int max);

  void refuse(std::string_view name, std::string msg, std::string type);
  bool failed() const { return !errors_.empty(); }
  http::Response response() const { return validation_response(errors_, context_.request_id); }

 private:
  const Context& context_;
  FieldErrors errors_;
};

// The sandbox id of the path; an impossible id is one that does not exist.
Result<SandboxId> sandbox_id_of(const Context& context);

}  // namespace matrx::api
