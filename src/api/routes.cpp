// The table of routes. The order is that of the document.

#include "api/api.hpp"
#include "base/limits.hpp"

namespace matrx::api {

using http::Method;

std::vector<Route> make_routes(const Schemas& schemas) {
  const AnswerDoc not_found{404, "Unknown sandbox", {}};
  const AnswerDoc ended{410, "It has ended; the text names its status and stop reason", {}};
  const AnswerDoc not_ready{409, "Not in a state for this", {}};
  const AnswerDoc unavailable{503, "The container engine or the registry cannot be reached", {}};
  const std::size_t json = kJsonBodyBytesMax;

  return {
      {.method = Method::get, .pattern = "/", .handler = &Api::service, .open = true,
       .summary = "What this is",
       .answers = {{200, "The service", service_schema().describe()}}},
      {.method = Method::get, .pattern = "/health", .handler = &Api::health, .open = true,
       .summary = "Alive? Never waits for anything",
       .answers = {{200, "Alive", health_schema().describe()}}},
      {.method = Method::get, .pattern = "/health/ready", .handler = &Api::ready, .open = true,
       .summary = "Can it work? A line for each dependency",
       .answers = {{200, "All there", readiness_schema().describe()},
                   {503, "Something is missing", readiness_schema().describe()}}},
      {.method = Method::get, .pattern = "/openapi.json", .handler = &Api::openapi_document,
       .open = true, .summary = "This document", .answers = {{200, "OpenAPI 3.1", {}}}},
      {.method = Method::get, .pattern = "/docs", .handler = &Api::docs_page, .open = true,
       .summary = "This document as a page", .answers = {{200, "HTML", {}}}},

      {.method = Method::post, .pattern = "/sandboxes", .handler = &Api::create_sandbox,
       .body_bytes_max = json, .summary = "Create a sandbox, ready to use",
       .request_schema = schemas.create_request.describe(),
       .answers = {{201, "Ready", sandbox_schema().describe()}, unavailable}},
      {.method = Method::get, .pattern = "/sandboxes", .handler = &Api::list_sandboxes,
       .summary = "List sandboxes, newest first; ended ones are history and stay listed",
       .query = {{"user_id", "string", "Only of this user"},
                 {"status", "string", "Only in this status"},
                 {"label", "string", "Only with this label, as name:value"},
                 {"limit", "integer", "Per page, 1 to 1000; default 100"},
                 {"cursor", "string", "next_cursor of the page before"}},
       .answers = {{200, "A page", sandbox_list_schema().describe()}}},
      {.method = Method::get, .pattern = "/sandboxes/{sandbox_id}", .handler = &Api::get_sandbox,
       .summary = "One sandbox",
       .answers = {{200, "The sandbox", sandbox_schema().describe()}, not_found}},
      {.method = Method::del, .pattern = "/sandboxes/{sandbox_id}",
       .handler = &Api::destroy_sandbox,
       .summary = "Stop and remove it; returns when nothing is left of it",
       .query = {{"graceful", "boolean", "Tell its processes first; default true"},
                 {"reason", "string", "Stop reason to record; default user_requested"}},
       .answers = {{204, "Gone, also where it was gone before", {}}, not_found, unavailable}},
      {.method = Method::get, .pattern = "/sandboxes/{sandbox_id}/events",
       .handler = &Api::sandbox_events, .summary = "Its history, oldest first",
       .answers = {{200, "The history", event_list_schema().describe()}, not_found}},
      {.method = Method::post, .pattern = "/sandboxes/{sandbox_id}/exec", .handler = &Api::exec,
       .body_bytes_max = json, .summary = "Run a command to its end",
       .request_schema = schemas.exec_request.describe(),
       .answers = {{200, "It ran; exit_code says how", exec_schema().describe()},
                   {400, "No such user or working directory in the sandbox", {}},
                   not_found, not_ready, ended, unavailable}},
      {.method = Method::post, .pattern = "/sandboxes/{sandbox_id}/heartbeat",
       .handler = &Api::heartbeat, .body_bytes_max = json, .summary = "Its agent is alive",
       .answers = {{200, "Noted", heartbeat_schema().describe()}, not_found, ended}},
      {.method = Method::post, .pattern = "/sandboxes/{sandbox_id}/complete",
       .handler = &Api::complete, .body_bytes_max = json,
       .summary = "Its agent is done: stop it gracefully",
       .request_schema = schemas.complete_request.describe(),
       .answers = {{200, "The stop has begun", shutdown_schema().describe()}, not_found, ended}},
      {.method = Method::post, .pattern = "/sandboxes/{sandbox_id}/error",
       .handler = &Api::report_error, .body_bytes_max = json,
       .summary = "Its agent has failed: stop it gracefully",
       .request_schema = schemas.error_request.describe(),
       .answers = {{200, "The stop has begun", shutdown_schema().describe()}, not_found, ended}},
  };
}

}  // namespace matrx::api
