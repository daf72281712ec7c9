# One static library per folder of src/, with the arrows of ARCHITECTURE.md and no others.
# tools/include_graph.py checks the same arrows in the sources.

# layer(<folder> <library…>): the library matrx_<folder> of all sources in it but the tests.
function(layer folder)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    return()
  endif()
  add_library(matrx_${name} STATIC ${sources})
  target_link_libraries(matrx_${name} PUBLIC matrx_options ${ARGN})
endfunction()

layer(base fmt::fmt-header-only)
layer(async matrx_base Threads::Threads)
layer(model matrx_base)
layer(wire matrx_model Boost::json ${LIBZ})
layer(ports matrx_async matrx_model)
layer(http matrx_async)
layer(http/tls matrx_http OpenSSL::SSL)
layer(core matrx_ports)
layer(api matrx_core matrx_http matrx_wire OpenSSL::Crypto)
layer(ssh matrx_core matrx_wire matrx_libssh OpenSSL::Crypto)
layer(adapters/memory matrx_ports)
layer(adapters/sqlite matrx_ports matrx_wire SQLite::SQLite3)
layer(adapters/disk matrx_ports)
layer(adapters/homes matrx_ports matrx_wire)
layer(adapters/localdisk matrx_ports matrx_wire)
layer(adapters/mounts matrx_ports)
layer(adapters/mount_s3 matrx_ports)
layer(adapters/rclone matrx_ports matrx_wire matrx_http OpenSSL::Crypto)
layer(adapters/postgres matrx_ports matrx_wire matrx_libpq)
layer(adapters/docker matrx_ports matrx_wire matrx_http_tls)
layer(adapters/guest matrx_ports matrx_wire matrx_http)
layer(agent matrx_wire matrx_http)
# What the simulation runs ten thousand times pays for some optimization in every build; nothing else does.
foreach(folder base async model core adapters_memory)
  target_compile_options(matrx_${folder} PRIVATE $<$<CONFIG:Debug>:-O1>)
endforeach()
# It waits, mostly; and it lies in every sandbox.
target_compile_options(matrx_agent PRIVATE $<$<CONFIG:Release>:-Os>)

# The orchestrator's parts without its main(), so that tests can use them.
file(GLOB orchestrator_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/apps/orchestrator/*.cpp)
list(FILTER orchestrator_sources EXCLUDE REGEX "(_test|main)\\.cpp$")
add_library(matrx_apps_orchestrator STATIC ${orchestrator_sources})
target_link_libraries(matrx_apps_orchestrator PUBLIC matrx_api matrx_ssh matrx_adapters_memory
  matrx_adapters_sqlite matrx_adapters_postgres matrx_adapters_disk matrx_adapters_docker matrx_adapters_guest
  matrx_adapters_homes matrx_adapters_localdisk matrx_adapters_mounts matrx_adapters_mount_s3 matrx_adapters_rclone)
target_compile_definitions(matrx_apps_orchestrator PRIVATE MATRX_VERSION="${PROJECT_VERSION}")
add_executable(matrx-orchestrator ${CMAKE_SOURCE_DIR}/src/apps/orchestrator/main.cpp)
target_link_libraries(matrx-orchestrator PRIVATE matrx_apps_orchestrator)

# The guest agent runs in any Linux image: no shared library, no name service, no locale.
add_executable(matrx-agent ${CMAKE_SOURCE_DIR}/src/apps/agent/main.cpp)
target_link_libraries(matrx-agent PRIVATE matrx_agent)
target_compile_definitions(matrx-agent PRIVATE MATRX_VERSION="${PROJECT_VERSION}")
if(MATRX_STATIC_AGENT)
  target_link_options(matrx-agent PRIVATE -static -s)
endif()

# SQLite migrations are embedded as text.
file(GLOB sqlite_migrations CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/migrations/sqlite/*.sql)
set(embedded ${CMAKE_BINARY_DIR}/generated/sqlite_migrations.inc)
add_custom_command(OUTPUT ${embedded}
  COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/embed_text.py ${embedded} ${sqlite_migrations}
  DEPENDS ${sqlite_migrations} ${CMAKE_SOURCE_DIR}/tools/embed_text.py
  VERBATIM)
target_sources(matrx_adapters_sqlite PRIVATE ${embedded})
target_include_directories(matrx_adapters_sqlite PRIVATE ${CMAKE_BINARY_DIR}/generated)
