#pragma once
// Which handler answers which request. One table; everything else (404, 405, OpenAPI) follows.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/messages.hpp"
#include "http/message.hpp"

namespace matrx::api {

struct Route;

// One request on its way through the pipeline.
struct Context {
  http::Request& request;
  const Route* route = nullptr;          // none: unknown path, or wrong method
  std::string allowed_methods = {};      // of a known path with a wrong method
  std::vector<std::string> params = {};  // decoded path parameters, in order
  std::string request_id = {};
  bool by_key = false;      // it came with one of our keys
  bool by_session = false;  // a browser that is signed in, not a key

  Actor actor() const { return {"api:" + request_id}; }
};

class Api;
using RouteHandler = Task<http::Response> (Api::*)(Context& context);

// A parameter, for the document; handlers read and check it themselves.
struct QueryDoc {
  const char* name;
  const char* type;  // of JSON Schema
  const char* description;
  const char* in = "query";  // or "header"
};

struct AnswerDoc {
  int status;
  std::string description;
  json::object schema;  // empty: no body
  const char* content_type = "application/json";
};

struct Route {
  http::Method method;
  std::string pattern;  // "/sandboxes/{sandbox_id}/exec"; a last "{name...}" takes any rest
  RouteHandler handler;
  bool open = false;  // needs no key
  bool any_method = false;
  std::size_t body_bytes_max = 0;  // 0: takes no body; what is sent is ignored
  std::string summary;
  json::object request_schema;  // empty: no body
  const char* request_type = "application/json";
  std::vector<QueryDoc> query;
  std::vector<AnswerDoc> answers;  // the good one first; errors that need a word
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  // Fills in route and params, or allowed_methods.
  void find(Context& context) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Pattern {
    std::vector<std::optional<std::string>> segments;  // nothing: a parameter
    bool takes_rest = false;
  };

  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;  // as routes_
};

}  // namespace matrx::api
