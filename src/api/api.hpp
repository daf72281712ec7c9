#pragma once
// The HTTP API: decodes, calls core, encodes. routes.cpp has the table, pipeline.cpp what every
// request goes through; one file of handlers per resource.

#include <chrono>
#include <string>
#include <vector>

#include "api/router.hpp"
#include "core/core.hpp"

namespace matrx::api {

struct ApiSettings {
  std::string version;
  std::string key_header = "X-API-Key";
  std::vector<std::string> keys;  // empty: open to everybody
  MessageLimits limits;
};

class Api {
 public:
  Api(ApiSettings settings, Core& core, Random& random);

  // Everything that arrives. Never fails: problems are answers.
  Task<http::Response> handle(http::Request& request);

  const json::object& openapi() const { return openapi_; }

 private:
  friend std::vector<Route> make_routes(const Schemas& schemas);

  // The pipeline, in the order in which a request passes (pipeline.cpp).
  using Next = Task<http::Response> (Api::*)(Context& context);
  Task<http::Response> with_access_log(Context& context);
  Task<http::Response> with_errors(Context& context);
  Task<http::Response> with_authentication(Context& context);
  Task<http::Response> with_body(Context& context);
  Task<http::Response> dispatch(Context& context);
  std::string make_request_id(const http::Request& request);

  // Handlers.
  Task<http::Response> service(Context& context);
  Task<http::Response> health(Context& context);
  Task<http::Response> ready(Context& context);
  Task<http::Response> openapi_document(Context& context);
  Task<http::Response> docs_page(Context& context);
  Task<http::Response> create_sandbox(Context& context);
  Task<http::Response> list_sandboxes(Context& context);
  Task<http::Response> get_sandbox(Context& context);
  Task<http::Response> destroy_sandbox(Context& context);
  Task<http::Response> sandbox_events(Context& context);
  Task<http::Response> extend_sandbox(Context& context);
  Task<http::Response> live_events(Context& context);
  Task<void> stream_events(FeedPage page, bool reset, http::BodyWriter& writer);
  Task<http::Response> storage_usage(Context& context);
  Task<http::Response> storage_files(Context& context);
  Task<http::Response> storage_content(Context& context);
  Task<void> stream_content(StoragePlace place, std::string path, std::int64_t bytes,
                            http::BodyWriter& writer);
  Task<http::Response> remove_storage(Context& context);
  Task<http::Response> metrics(Context& context);
  Task<http::Response> exec(Context& context);
  Task<http::Response> heartbeat(Context& context);
  Task<http::Response> complete(Context& context);
  Task<http::Response> report_error(Context& context);

  ApiSettings settings_;
  Core& core_;
  Random& random_;
  Schemas schemas_;
  Router router_;
  json::object openapi_;
  std::string openapi_text_;
  std::size_t feed_readers_ = 0;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::vector<Route> make_routes(const Schemas& schemas);
json::object make_openapi(const std::vector<Route>& routes, const ApiSettings& settings);
std::string_view docs_html();

}  // namespace matrx::api
