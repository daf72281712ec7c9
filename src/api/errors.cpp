#include "api/errors.hpp"

#include "base/log.hpp"

namespace matrx::api {
namespace {

constexpr const char* kRetryAfterSeconds = "2";

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::invalid:
      return 400;
    case Code::unauthenticated:
      return 401;
    case Code::forbidden:
      return 403;
    case Code::not_found:
      return 404;
    case Code::conflict:
    case Code::home_not_saved:
      return 409;
    case Code::gone:
      return 410;
    case Code::too_large:
      return 413;
    case Code::exhausted:
      return 429;
    case Code::unavailable:
      return 503;
    case Code::timeout:
      return 504;
    case Code::unsupported:
      return 501;
    case Code::cancelled:
      return 503;
    case Code::internal:
      return 500;
  }
  return 500;
}

http::Response json_response(int status, const json::value& body) {
  http::Response response{.status = status};
  response.headers.add("Content-Type", "application/json");
  response.body = json::serialize(body);
  return response;
}

http::Response error_response(int status, Code code, std::string_view detail,
                              const std::string& request_id) {
  http::Response response = json_response(
      status,
      json::object{{"detail", detail}, {"code", code_name(code)}, {"request_id", request_id}});
  if (status == 429 || status == 503) response.headers.add("Retry-After", kRetryAfterSeconds);
  return response;
}

http::Response error_response(const Error& error, const std::string& request_id) {
  if (!error.internal.empty()) {
    log::warning("request failed", {{"request_id", request_id},
                                    {"code", code_name(error.code)},
                                    {"detail", error.message},
                                    {"internal", error.internal}});
  }
  // Core does not know how it is asked.
  const char* way_out = error.code == Code::home_not_saved
                            ? " DELETE /sandboxes/{sandbox_id}/home gives one up."
                            : "";
  return error_response(status_of(error.code), error.code, error.message + way_out, request_id);
}

http::Response validation_response(const FieldErrors& errors, const std::string& request_id) {
  json::array details;
  for (const FieldError& error : errors) {
    json::array loc;
    for (const auto& step : error.loc) loc.emplace_back(step);
    details.push_back(
        json::object{{"loc", std::move(loc)}, {"msg", error.msg}, {"type", error.type}});
  }
  return json_response(422, json::object{{"detail", std::move(details)},
                                         {"code", code_name(Code::invalid)},
                                         {"request_id", request_id}});
}

}  // namespace matrx::api
