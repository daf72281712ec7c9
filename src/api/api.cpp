#include "api/api.hpp"

#include <algorithm>

namespace matrx::api {

Api::Api(ApiSettings settings, Core& core, Random& random)
    : settings_(std::move(settings)),
      core_(core),
      random_(random),
      schemas_(settings_.limits),
      machine_schemas_(settings_.limits),
      sessions_(random),
      links_(random),
      readiness_(core, settings_.clock != nullptr ? *settings_.clock : system_clock_),
      router_(make_routes(schemas_, machine_schemas_)),
      openapi_(make_openapi(router_.routes(), settings_)),
      openapi_text_(json::serialize(openapi_)) {}

void Api::use_keys(std::vector<std::string> keys) {
  const bool all_stay = std::ranges::all_of(settings_.keys, [&keys](const std::string& key) {
    return std::ranges::find(keys, key) != keys.end();
  });
  settings_.keys = std::move(keys);
  if (all_stay) return;
  sessions_.close_all();
  links_.end_all();
}

}  // namespace matrx::api
