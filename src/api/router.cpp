#include "api/router.hpp"

#include "base/text.hpp"

namespace matrx::api {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  return split(path, '/');
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (const Route& route : routes_) {
    Pattern pattern;
    for (std::string_view segment : segments_of(route.pattern)) {
      pattern.takes_rest = segment.ends_with("...}");
      if (pattern.takes_rest) break;
      const bool is_parameter = segment.starts_with('{');
      pattern.segments.push_back(is_parameter ? std::nullopt : std::optional(std::string(segment)));
    }
    patterns_.push_back(std::move(pattern));
  }
}

void Router::find(Context& context) const {
  const auto segments = segments_of(context.request.path);
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& wanted = patterns_[i].segments;
    const bool is_long_enough = patterns_[i].takes_rest ? segments.size() >= wanted.size()
                                                        : segments.size() == wanted.size();
    if (!is_long_enough) continue;
    std::vector<std::string> params;
    bool matches = true;
    for (std::size_t k = 0; matches && k < wanted.size(); ++k) {
      if (const auto& literal = wanted[k]) {
        matches = segments[k] == *literal;
      } else {
        auto decoded = percent_decode(segments[k]);
        matches = decoded.has_value() && !decoded->empty();
        params.push_back(std::move(decoded).value_or(""));
      }
    }
    if (!matches) continue;
    const Route& route = routes_[i];
    const bool as_head =
        context.request.method == http::Method::head && route.method == http::Method::get;
    if (route.any_method || route.method == context.request.method || as_head) {
      context.route = &route;
      context.params = std::move(params);
      return;
    }
    if (!context.allowed_methods.empty()) context.allowed_methods += ", ";
    context.allowed_methods += http::method_name(route.method);
    if (route.method == http::Method::get) context.allowed_methods += ", HEAD";
  }
}

}  // namespace matrx::api
