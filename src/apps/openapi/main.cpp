// matrx-openapi: writes the OpenAPI document for the clients that are generated from it.

#include <fmt/core.h>

#include <fstream>

#include "api/api.hpp"

int main(int argc, char** argv) {
  using namespace matrx::api;
  if (argc != 2) {
    fmt::print(stderr, "matrx-openapi: one argument is needed: the file to write\n");
    return 2;
  }
  ApiSettings settings;
  settings.version = MATRX_VERSION;
  const auto routes = make_routes(Schemas{settings.limits}, MachineSchemas{settings.limits});
  std::ofstream out(argv[1]);
  out << boost::json::serialize(make_openapi(routes, settings)) << "\n";
  return out.flush() ? 0 : 1;
}
