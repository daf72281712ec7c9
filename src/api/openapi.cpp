// The OpenAPI document, made from the route table and the schemas.

#include "api/api.hpp"
#include "base/text.hpp"

namespace matrx::api {
namespace {

json::object error_schema() {
  return {{"type", "object"},
          {"properties",
           json::object{{"detail", json::object{{"description",
                                                 "What is wrong; for 422 a list of {loc, msg, "
                                                 "type}"}}},
                        {"code", json::object{{"type", "string"}}},
                        {"request_id", json::object{{"type", "string"}}}}},
          {"required", json::array{"detail", "code"}}};
}

json::object content_of(json::object schema, const char* type = "application/json") {
  return {{type, json::object{{"schema", std::move(schema)}}}};
}

// What a reader, or a test, may send as it stands: all that is required, and what has an example.
json::object example_of(const json::object& schema) {
  json::object example;
  const json::object* properties = json::object_at(schema, "properties");
  if (properties == nullptr) return example;
  for (const auto& [name, property] : *properties) {
    const json::value* examples = property.as_object().if_contains("examples");
    if (examples != nullptr) example[name] = examples->as_array().front();
  }
  return example;
}

json::object request_body_of(const Route& route) {
  json::object content = content_of(route.request_schema, route.request_type);
  if (json::object example = example_of(route.request_schema); !example.empty()) {
    content.at(route.request_type).as_object()["example"] = std::move(example);
  }
  return {{"required", true}, {"content", std::move(content)}};
}

json::array parameters_of(const Route& route) {
  json::array parameters;
  for (std::string_view segment : split(route.pattern, '/')) {
    if (!segment.starts_with('{')) continue;
    const auto name = segment.substr(1, segment.find_first_of(".}") - 1);
    parameters.push_back(json::object{{"name", name},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", json::object{{"type", "string"}}}});
  }
  for (const QueryDoc& query : route.query) {
    parameters.push_back(json::object{{"name", query.name},
                                      {"in", query.in},
                                      {"required", false},
                                      {"description", query.description},
                                      {"schema", json::object{{"type", query.type}}}});
  }
  return parameters;
}

json::object responses_of(const Route& route) {
  json::object responses;
  const json::object error_ref{{"$ref", "#/components/schemas/Error"}};
  const auto add = [&](int status, std::string_view text, const json::object& schema,
                       const char* type = "application/json") {
    json::object response{{"description", text}};
    if (!schema.empty()) response["content"] = content_of(schema, type);
    responses[std::to_string(status)] = std::move(response);
  };
  for (const AnswerDoc& answer : route.answers) {
    add(answer.status, answer.description,
        answer.status >= 400 && answer.schema.empty() ? error_ref : answer.schema,
        answer.content_type);
  }
  if (!route.open) {
    add(401, "No API key", error_ref);
    add(403, "A wrong API key", error_ref);
  }
  if (!route.request_schema.empty() || !route.query.empty()) {
    add(422, "The request is not valid; nothing was changed", error_ref);
  }
  if (route.body_bytes_max > 0) add(413, "The body is too large", error_ref);
  return responses;
}

json::object operation_of(const Route& route) {
  json::object operation{{"summary", route.summary}, {"responses", responses_of(route)}};
  if (auto parameters = parameters_of(route); !parameters.empty()) {
    operation["parameters"] = std::move(parameters);
  }
  if (!route.request_schema.empty()) {
    operation["requestBody"] = request_body_of(route);
  }
  if (route.open) operation["security"] = json::array();
  return operation;
}

}  // namespace

json::object make_openapi(const std::vector<Route>& routes, const ApiSettings& settings) {
  json::object paths;
  for (const Route& route : routes) {
    std::string path = route.pattern;
    if (const auto dots = path.find("...}"); dots != std::string::npos) path.erase(dots, 3);
    auto [item, added] = paths.emplace(path, json::object());
    item->value().as_object()[to_lower(http::method_name(route.method))] = operation_of(route);
  }
  return {
      {"openapi", "3.1.0"},
      {"info", json::object{{"title", "Matrx Sandbox"},
                            {"version", settings.version},
                            {"description",
                             "Computers for AI agents: isolated, ephemeral "
                             "sandboxes on your own Linux host."}}},
      {"paths", std::move(paths)},
      {"security",
       json::array{json::object{{"key", json::array()}}, json::object{{"bearer", json::array()}}}},
      {"components",
       json::object{
           {"schemas", json::object{{"Error", error_schema()}}},
           {"securitySchemes",
            json::object{
                {"key",
                 json::object{{"type", "apiKey"}, {"in", "header"}, {"name", settings.key_header}}},
                {"bearer", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}},
  };
}

}  // namespace matrx::api
