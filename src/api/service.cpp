// Handlers of the service itself.

#include "api/api.hpp"
#include "api/errors.hpp"

namespace matrx::api {
namespace {

DependencyBody to_dependency(std::string name, const Result<void>& checked) {
  DependencyBody body{.name = std::move(name), .status = checked ? "ok" : "unavailable"};
  if (!checked) body.detail = checked.error().message;
  return body;
}

Result<void> state_of(const Walls& walls) {
  if (walls.state != Walls::State::down) return {};
  return fail(Code::unavailable, walls.problem);
}

}  // namespace

Task<http::Response> Api::service(Context&) {
  ServiceBody body{.service = "matrx-sandbox", .version = settings_.version, .docs = "/docs"};
  co_return json_response(200, service_schema().encode(body));
}

Task<http::Response> Api::health(Context&) {
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - started_;
  const auto up_ms = std::chrono::duration_cast<milliseconds>(up).count();
  HealthBody body{.active_sandboxes = core_.active(),
                  .uptime_seconds = static_cast<double>(up_ms) / 1000};
  co_return json_response(200, health_schema().encode(body));
}

Task<http::Response> Api::ready(Context& context) {
  const Readiness::Report report = co_await readiness_.look();
  ReadinessBody body;
  const auto walls = state_of(core_.walls());
  // Where they are not required, sandboxes are made without them.
  const bool is_ready = report.is_ready() && (walls || !core_.walls().is_required);
  body.status = is_ready ? "ready" : "not_ready";
  // What is missing, and why, is not for strangers.
  if (context.request.is_known) {
    body.dependencies.push_back(to_dependency("docker", report.runtime));
    body.dependencies.push_back(to_dependency("store", report.store));
    body.dependencies.push_back(to_dependency("storage", report.storage));
    if (core_.walls().state != Walls::State::not_ours) {
      body.dependencies.push_back(to_dependency("firewall", walls));
    }
  }
  co_return json_response(is_ready ? 200 : 503, readiness_schema().encode(body));
}

Task<http::Response> Api::openapi_document(Context&) {
  http::Response response;
  response.headers.add("Content-Type", "application/json");
  response.body = openapi_text_;
  co_return response;
}

Task<http::Response> Api::docs_page(Context&) {
  http::Response response;
  response.headers.add("Content-Type", "text/html; charset=utf-8");
  response.headers.add("Content-Security-Policy",
                       "default-src 'none'; script-src 'unsafe-inline'; style-src "
                       "'unsafe-inline'; connect-src 'self'");
  response.body = docs_html();
  co_return response;
}

}  // namespace matrx::api
