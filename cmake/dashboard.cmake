# The dashboard: built by npm against the API's own OpenAPI document, so that a changed route breaks this build, and
# embedded in the orchestrator. Without Node.js, or with MATRX_DASHBOARD=OFF, the orchestrator has none and says so.
option(MATRX_DASHBOARD "build the dashboard into the orchestrator (needs Node.js 18 or newer)" ON)

add_executable(matrx-openapi ${CMAKE_SOURCE_DIR}/src/apps/openapi/main.cpp)
target_link_libraries(matrx-openapi PRIVATE matrx_api)
target_compile_definitions(matrx-openapi PRIVATE MATRX_VERSION="${PROJECT_VERSION}")

find_program(NPM npm)
find_program(NODE NAMES node nodejs)
set(dashboard_table ${CMAKE_BINARY_DIR}/generated/dashboard_files.inc)
set(embed python3 ${CMAKE_SOURCE_DIR}/tools/embed_files.py)
if(MATRX_DASHBOARD AND NPM AND NODE)
  set(openapi ${CMAKE_BINARY_DIR}/generated/openapi.json)
  # Nothing that depends on it runs again where its text stays the same.
  add_custom_command(OUTPUT ${openapi}
    COMMAND matrx-openapi ${openapi}.new
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${openapi}.new ${openapi}
    DEPENDS matrx-openapi
    VERBATIM)
  file(GLOB_RECURSE dashboard_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/dashboard/src/*
    ${CMAKE_SOURCE_DIR}/dashboard/public/*)
  list(FILTER dashboard_sources EXCLUDE REGEX "src/api/schema\\.ts$")  # made from the document
  foreach(name index.html package.json package-lock.json tsconfig.json vite.config.ts .npmrc)
    list(APPEND dashboard_sources ${CMAKE_SOURCE_DIR}/dashboard/${name})
  endforeach()
  add_custom_command(OUTPUT ${dashboard_table}
    COMMAND ${CMAKE_SOURCE_DIR}/tools/build-dashboard.sh ${openapi} ${CMAKE_BINARY_DIR}/dashboard
    COMMAND ${embed} ${dashboard_table} ${CMAKE_BINARY_DIR}/dashboard
    DEPENDS ${openapi} ${dashboard_sources} ${CMAKE_SOURCE_DIR}/tools/embed_files.py
      ${CMAKE_SOURCE_DIR}/tools/build-dashboard.sh
    VERBATIM)
else()
  if(MATRX_DASHBOARD)
    message(WARNING "Node.js or npm is missing: this build has no dashboard. Run tools/setup.sh, then build again.")
  endif()
  add_custom_command(OUTPUT ${dashboard_table} COMMAND ${embed} ${dashboard_table}
    DEPENDS ${CMAKE_SOURCE_DIR}/tools/embed_files.py VERBATIM)
endif()
target_sources(matrx_apps_orchestrator PRIVATE ${dashboard_table})
target_include_directories(matrx_apps_orchestrator PRIVATE ${CMAKE_BINARY_DIR}/generated)

# What is generated before anything can be compiled, for tools that only read the sources.
add_custom_target(matrx-generated DEPENDS ${dashboard_table} ${CMAKE_BINARY_DIR}/generated/sqlite_migrations.inc)
