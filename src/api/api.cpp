#include "api/api.hpp"

namespace matrx::api {

Api::Api(ApiSettings settings, Core& core, Random& random)
    : settings_(std::move(settings)),
      core_(core),
      random_(random),
      schemas_(settings_.limits),
      machine_schemas_(settings_.limits),
      sessions_(random),
      links_(random),
      router_(make_routes(schemas_, machine_schemas_)),
      openapi_(make_openapi(router_.routes(), settings_)),
      openapi_text_(json::serialize(openapi_)) {}

}  // namespace matrx::api
